package textclf;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.StreamCapabilities;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.classic.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.SerializableConfiguration;
import org.apache.spark.util.TaskFailureListener;

/**
 * Stores files that Python workers have made, with the file systems and credentials that Spark has.
 *
 * <p>A file comes as rows of its pieces, in order, none of another file between them. The row of the last piece also
 * says how large the file is. Each file is written once, under its final name; that name is new, so nothing is ever
 * replaced. An attempt that fails deletes its files; those of a lost executor are left to the table's VACUUM.
 */
public final class FileSink implements MapPartitionsFunction<Row, Row> {
  private static final long serialVersionUID = 1;

  private final Broadcast<SerializableConfiguration> configuration;
  private final HashMap<String, String> folders;
  private final int kind;
  private final int path;
  private final int size;
  private final int piece;
  private final int width;

  private FileSink(
      Broadcast<SerializableConfiguration> configuration, Map<String, String> folders, StructType schema) {
    this.configuration = configuration;
    this.folders = new HashMap<>(folders);
    this.kind = schema.fieldIndex("kind");
    this.path = schema.fieldIndex("path");
    this.size = schema.fieldIndex("size");
    this.piece = schema.fieldIndex("piece");
    this.width = schema.length();
  }

  /**
   * Returns the rows of last pieces, without the bytes; evaluating them stores the files.
   *
   * @param pieces rows with the columns kind, path, size and piece beside others
   * @param folders folder of each kind of file, to which paths are relative
   */
  public static Dataset<Row> store(Dataset<Row> pieces, Map<String, String> folders) {
    SparkSession session = (SparkSession) pieces.sparkSession();
    SerializableConfiguration found = new SerializableConfiguration(session.sessionState().newHadoopConf());
    FileSink sink = new FileSink(new JavaSparkContext(session.sparkContext()).broadcast(found), folders, pieces.schema());
    return pieces.mapPartitions(sink, Encoders.row(pieces.schema()));
  }

  @Override
  public Iterator<Row> call(Iterator<Row> pieces) {
    return new Stored(pieces);
  }

  /** The files of one task. */
  private final class Stored implements Iterator<Row> {
    private final Iterator<Row> pieces;
    private final Configuration hadoop = configuration.value().value();
    private final List<Path> written = new ArrayList<>();
    private FSDataOutputStream open;
    private Row next;

    Stored(Iterator<Row> pieces) {
      this.pieces = pieces;
      TaskContext.get().addTaskFailureListener((TaskFailureListener) (context, error) -> discard());
    }

    @Override
    public boolean hasNext() {
      while (next == null && pieces.hasNext()) {
        next = take(pieces.next());
      }
      return next != null;
    }

    @Override
    public Row next() {
      if (!hasNext()) {
        throw new NoSuchElementException();
      }
      Row found = next;
      next = null;
      return found;
    }

    /** Writes a piece; returns the file's row if that was the last one. */
    private Row take(Row row) {
      try {
        if (open == null) {
          Path target = new Path(folders.get(row.getString(kind)) + "/" + row.getString(path));
          written.add(target);
          open = create(target);
        }
        open.write((byte[]) row.get(piece));
        if (row.isNullAt(size)) {
          return null;
        }
        FSDataOutputStream whole = open;
        open = null;
        whole.close();
        return withoutPiece(row);
      } catch (IOException error) {
        throw new UncheckedIOException(error.getMessage(), error);
      }
    }

    private FSDataOutputStream create(Path target) throws IOException {
      // On S3 without the requests that look for a file or folder of that name: the name is new.
      FSDataOutputStreamBuilder<?, ?> builder = target.getFileSystem(hadoop).createFile(target).recursive();
      builder.overwrite(true).opt("fs.s3a.create.performance", true);
      return (FSDataOutputStream) builder.build();
    }

    private Row withoutPiece(Row row) {
      Object[] values = new Object[width];
      for (int place = 0; place < width; place++) {
        values[place] = place == piece ? null : row.get(place);
      }
      return RowFactory.create(values);
    }

    private void discard() {
      if (open != null) {
        try {
          // Closing would make an object of the part that has been written.
          if (open.hasCapability(StreamCapabilities.ABORTABLE_STREAM)) {
            open.abort();
          } else {
            open.close();
          }
        } catch (IOException error) {
          // What remains of the file belongs to no version of a table.
        }
      }
      for (Path each : written) {
        try {
          FileSystem system = each.getFileSystem(hadoop);
          system.delete(each, false);
        } catch (IOException error) {
          // The same.
        }
      }
    }
  }
}
