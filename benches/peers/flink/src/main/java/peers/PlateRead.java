package peers;

import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;
import org.apache.flink.types.CopyableValue;

import java.io.IOException;

/** A plate read at a camera; it writes itself, so that nothing is boxed or looked up on the way between operators. */
public final class PlateRead implements CopyableValue<PlateRead> {
  private static final int BYTES = 2 * Long.BYTES + 4 * Integer.BYTES;

  /** Seven symbols packed into a number. */
  public long plate;
  public long atMs;
  public int id;
  public int xM;
  public int yM;
  public int camera;

  @Override
  public void write(DataOutputView out) throws IOException {
    out.writeLong(plate);
    out.writeLong(atMs);
    out.writeInt(id);
    out.writeInt(xM);
    out.writeInt(yM);
    out.writeInt(camera);
  }

  @Override
  public void read(DataInputView in) throws IOException {
    plate = in.readLong();
    atMs = in.readLong();
    id = in.readInt();
    xM = in.readInt();
    yM = in.readInt();
    camera = in.readInt();
  }

  @Override
  public void copyTo(PlateRead target) {
    target.plate = plate;
    target.atMs = atMs;
    target.id = id;
    target.xM = xM;
    target.yM = yM;
    target.camera = camera;
  }

  @Override
  public PlateRead copy() {
    PlateRead copy = new PlateRead();
    copyTo(copy);
    return copy;
  }

  @Override
  public int getBinaryLength() {
    return BYTES;
  }

  @Override
  public void copy(DataInputView in, DataOutputView out) throws IOException {
    out.write(in, BYTES);
  }
}
