package peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.api.common.serialization.AbstractDeserializationSchema;

import java.io.IOException;

/** JSON to reads in one pass over the text, without a tree and always into the same object. */
final class ReadSchema extends AbstractDeserializationSchema<PlateRead> {
  private static final JsonFactory JSON = new JsonFactory();

  private final PlateRead read = new PlateRead();

  ReadSchema() {
    super(PlateRead.class);
  }

  @Override
  public PlateRead deserialize(byte[] text) throws IOException {
    try (JsonParser parser = JSON.createParser(text)) {
      parser.nextToken();
      for (String field = parser.nextFieldName(); field != null; field = parser.nextFieldName()) {
        JsonToken token = parser.nextToken();
        switch (field) {
          case "plate" -> read.plate = packed(parser);
          case "at_ms" -> read.atMs = parser.getLongValue();
          case "id" -> read.id = parser.getIntValue();
          case "x_m" -> read.xM = parser.getIntValue();
          case "y_m" -> read.yM = parser.getIntValue();
          case "camera" -> read.camera = parser.getIntValue();
          default -> {
            if (token.isStructStart()) {
              parser.skipChildren();
            }
          }
        }
      }
    }
    return read;
  }

  private static long packed(JsonParser parser) throws IOException {
    char[] text = parser.getTextCharacters();
    int from = parser.getTextOffset();
    long plate = 0;
    for (int place = from; place < from + parser.getTextLength(); place++) {
      plate = plate << 8 | text[place];
    }
    return plate;
  }
}
