package peers;

import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;
import org.apache.flink.types.CopyableValue;

import java.io.IOException;
import java.util.Arrays;

/** The reads of one plate that a later one may be joined with, in plain arrays: the state of a key. */
public final class Recent implements CopyableValue<Recent> {
  /** Numbers of a read beside its time: id, x, y, camera. */
  private static final int OTHERS = 4;

  private int size;
  private long[] atMs = new long[4];
  private int[] others = new int[4 * OTHERS];

  /** Gives the pairs of a read with those before it that were driven at more than 25 m/s, as the crow flies. */
  void join(PlateRead read, long withinMs, Pairs pairs) {
    for (int place = 0; place < size; place++) {
      long tookMs = read.atMs - atMs[place];
      if (tookMs == 0 || Math.abs(tookMs) > withinMs) {
        continue;
      }
      int other = place * OTHERS;
      long x = read.xM - others[other + 1];
      long y = read.yM - others[other + 2];
      if (others[other + 3] != read.camera && (x * x + y * y) * 1_000_000 > 625 * tookMs * tookMs) {
        boolean later = tookMs > 0;
        pairs.take(later ? others[other] : read.id, later ? read.id : others[other]);
      }
    }
  }

  /** Adds a read; where there is no room, those before `oldestMs` are forgotten first. */
  void add(PlateRead read, long oldestMs) {
    if (size == atMs.length) {
      forget(oldestMs);
    }
    if (size == atMs.length) {
      atMs = Arrays.copyOf(atMs, 2 * size);
      others = Arrays.copyOf(others, 2 * size * OTHERS);
    }
    atMs[size] = read.atMs;
    int other = size * OTHERS;
    others[other] = read.id;
    others[other + 1] = read.xM;
    others[other + 2] = read.yM;
    others[other + 3] = read.camera;
    size++;
  }

  void forget(long oldestMs) {
    int kept = 0;
    for (int place = 0; place < size; place++) {
      if (atMs[place] >= oldestMs) {
        atMs[kept] = atMs[place];
        System.arraycopy(others, place * OTHERS, others, kept * OTHERS, OTHERS);
        kept++;
      }
    }
    size = kept;
  }

  long newestMs() {
    long newest = Long.MIN_VALUE;
    for (int place = 0; place < size; place++) {
      newest = Math.max(newest, atMs[place]);
    }
    return newest;
  }

  @Override
  public void write(DataOutputView out) throws IOException {
    out.writeInt(size);
    for (int place = 0; place < size; place++) {
      out.writeLong(atMs[place]);
      for (int other = place * OTHERS; other < (place + 1) * OTHERS; other++) {
        out.writeInt(others[other]);
      }
    }
  }

  @Override
  public void read(DataInputView in) throws IOException {
    size = in.readInt();
    atMs = new long[Math.max(size, 4)];
    others = new int[atMs.length * OTHERS];
    for (int place = 0; place < size; place++) {
      atMs[place] = in.readLong();
      for (int other = place * OTHERS; other < (place + 1) * OTHERS; other++) {
        others[other] = in.readInt();
      }
    }
  }

  @Override
  public void copyTo(Recent target) {
    target.size = size;
    target.atMs = atMs.clone();
    target.others = others.clone();
  }

  @Override
  public Recent copy() {
    Recent copy = new Recent();
    copyTo(copy);
    return copy;
  }

  @Override
  public int getBinaryLength() {
    return -1;
  }

  @Override
  public void copy(DataInputView in, DataOutputView out) throws IOException {
    int reads = in.readInt();
    out.writeInt(reads);
    out.write(in, reads * (Long.BYTES + OTHERS * Integer.BYTES));
  }

  /** Takes pairs. */
  interface Pairs {
    void take(int earlier, int later);
  }
}
