import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.attribute.PosixFilePermission;
import java.util.EnumSet;
import java.util.Set;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.permission.FsPermission;

/**
 * The local file system of Hadoop, whose permissions are set by Java. Without Hadoop's native library, which a node
 * manager of a real cluster has, the original starts a process for each file of an archive that it unpacks.
 */
public class LocalPermissions extends LocalFileSystem {

    public LocalPermissions() {
        super(new Raw());
    }

    private static final class Raw extends RawLocalFileSystem {

        @Override
        public void setPermission(Path path, FsPermission given) throws IOException {
            Set<PosixFilePermission> wanted = EnumSet.noneOf(PosixFilePermission.class);
            PosixFilePermission[] all = PosixFilePermission.values(); // from the owner's "read" to the others' "execute"
            for (int bit = 0; bit < all.length; bit++) {
                if ((given.toShort() >> (all.length - 1 - bit) & 1) == 1) {
                    wanted.add(all[bit]);
                }
            }
            Files.setPosixFilePermissions(pathToFile(path).toPath(), wanted);
        }
    }
}
