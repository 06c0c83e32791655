package textclf;

import java.io.IOException;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.StreamCapabilities;
import org.apache.spark.sql.execution.streaming.checkpointing.CheckpointFileManager;
import org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager;

/**
 * Delta's files of checksums on S3, each written by one request.
 *
 * <p>Spark's own classes write aside and rename, which on S3 is a copy: some nine requests. There an object appears
 * whole when its upload ends, so nothing needs a rename. On other storage it is done as Spark does it.
 */
public final class ChecksumFiles extends FileSystemBasedCheckpointFileManager {
  private static final String CONDITIONAL = "fs.option.create.conditional.overwrite";

  public ChecksumFiles(Path path, Configuration configuration) {
    super(path, configuration);
  }

  @Override
  public CheckpointFileManager.CancellableFSDataOutputStream createAtomic(Path path, boolean overwrite) {
    String scheme = fs().getUri().getScheme();
    if (!scheme.startsWith("s3")) {
      return super.createAtomic(path, overwrite);
    }
    try {
      FSDataOutputStreamBuilder<?, ?> builder = fs().createFile(path).recursive().overwrite(true);
      if (!overwrite) {
        builder.must(CONDITIONAL, true);
      }
      return new Upload((FSDataOutputStream) builder.opt("fs.s3a.create.performance", true).build());
    } catch (IOException error) {
      throw sneaky(error);
    }
  }

  /** Throws a checked exception where the overridden method, which Scala has compiled, declares none. */
  @SuppressWarnings("unchecked")
  private static <E extends Throwable> RuntimeException sneaky(Throwable error) throws E {
    throw (E) error;
  }

  /** An upload that leaves nothing if it is cancelled. */
  private static final class Upload extends CheckpointFileManager.CancellableFSDataOutputStream {
    private final FSDataOutputStream stream;

    Upload(FSDataOutputStream stream) {
      super(stream);
      this.stream = stream;
    }

    @Override
    public void cancel() {
      try {
        if (stream.hasCapability(StreamCapabilities.ABORTABLE_STREAM)) {
          stream.abort();
        } else {
          stream.close();
        }
      } catch (IOException error) {
        // The file has not appeared; parts of an upload that stay are those of a service without a lifetime for them.
      }
    }
  }
}
