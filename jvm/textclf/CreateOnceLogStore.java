package textclf;

import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.Iterator;
import java.util.UUID;

import io.delta.storage.HDFSLogStore;
import io.delta.storage.HadoopFileSystemLogStore;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;

/**
 * Delta's log on S3 and on local disks, safe for several drivers: of all that write a commit of one number, one succeeds.
 *
 * <p>On S3 a commit is a conditional write (If-None-Match: *), on a local disk a hard link. Both create a file with all
 * of its content, or fail if the name is taken. Delta's own classes for these storages look first and write then:
 * between the two, another process may have written.
 */
public final class CreateOnceLogStore extends HadoopFileSystemLogStore {
  private static final String CONDITIONAL = "fs.option.create.conditional.overwrite";
  private static final int ATTEMPTS = 3;

  private final HDFSLogStore renaming;

  public CreateOnceLogStore(Configuration configuration) {
    super(configuration);
    renaming = new HDFSLogStore(configuration);
  }

  @Override
  public void write(Path path, Iterator<String> actions, Boolean overwrite, Configuration configuration)
      throws IOException {
    FileSystem system = path.getFileSystem(configuration);
    if (system instanceof LocalFileSystem) {
      if (overwrite) {
        renaming.write(path, actions, true, configuration);
      } else {
        link((LocalFileSystem) system, path, actions, configuration);
      }
    } else if (overwrite) {
      try (FSDataOutputStream stream = system.create(path, true)) {
        stream.write(bytes(actions));
      }
    } else {
      createOnce(system, path, bytes(actions));
    }
  }

  /** Whether a checkpoint has to be written aside and renamed: on a disk others see a file while it is written. */
  @Override
  public Boolean isPartialWriteVisible(Path path, Configuration configuration) throws IOException {
    return path.getFileSystem(configuration) instanceof LocalFileSystem;
  }

  /** Creates a file unless there is one, by a link to a file with its content. */
  private void link(LocalFileSystem system, Path path, Iterator<String> actions, Configuration configuration)
      throws IOException {
    FileSystem raw = system.getRaw();
    Path aside = new Path(path.getParent(), "." + path.getName() + "." + UUID.randomUUID() + ".tmp");
    byte[] content = bytes(actions);
    try {
      try (FSDataOutputStream stream = raw.create(aside, false)) {
        stream.write(content);
      }
      Files.createLink(system.pathToFile(path).toPath(), system.pathToFile(aside).toPath());
    } catch (FileAlreadyExistsException error) {
      throw new FileAlreadyExistsException(path.toString());
    } catch (FileSystemException | UnsupportedOperationException error) {
      // A disk without hard links, such as FAT: as Delta does it.
      String text = new String(content, StandardCharsets.UTF_8);
      renaming.write(path, text.lines().iterator(), false, configuration);
    } finally {
      raw.delete(aside, false);
    }
  }

  /** Creates a file unless there is one, by a conditional write. Reads back who wrote after an ambiguous answer. */
  private static void createOnce(FileSystem system, Path path, byte[] content) throws IOException {
    for (int attempt = 1; ; attempt++) {
      try {
        put(system, path, content);
        return;
      } catch (IOException error) {
        // A refusal may be the answer to a repeated request, whose first answer was lost.
        byte[] found = content(system, path);
        if (Arrays.equals(found, content)) {
          return;
        }
        if (found != null) {
          FileAlreadyExistsException taken = new FileAlreadyExistsException(path.toString());
          taken.initCause(error);
          throw taken;
        }
        if (attempt == ATTEMPTS) {
          throw error;
        }
      }
    }
  }

  private static void put(FileSystem system, Path path, byte[] content) throws IOException {
    FSDataOutputStreamBuilder<?, ?> builder = system.createFile(path).recursive().overwrite(true);
    builder.must(CONDITIONAL, true).opt("fs.s3a.create.performance", true);
    FSDataOutputStream stream = (FSDataOutputStream) builder.build();
    stream.write(content);
    stream.close();
  }

  /** Returns the content of a file; null if there is none. */
  private static byte[] content(FileSystem system, Path path) throws IOException {
    try (FSDataInputStream stream = system.open(path)) {
      ByteArrayOutputStream found = new ByteArrayOutputStream();
      stream.transferTo(found);
      return found.toByteArray();
    } catch (FileNotFoundException error) {
      return null;
    }
  }

  private static byte[] bytes(Iterator<String> actions) {
    StringBuilder text = new StringBuilder();
    while (actions.hasNext()) {
      text.append(actions.next()).append('\n');
    }
    return text.toString().getBytes(StandardCharsets.UTF_8);
  }
}
