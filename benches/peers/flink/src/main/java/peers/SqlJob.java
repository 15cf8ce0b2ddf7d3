package peers;

import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/** The join in SQL: two tables and one statement. */
final class SqlJob {
  private static final String READS =
      """
      CREATE TABLE plate_reads (
        id INT, plate STRING, camera INT, at_ms BIGINT, x_m BIGINT, y_m BIGINT,
        taken_at AS TO_TIMESTAMP_LTZ(at_ms, 3),
        WATERMARK FOR taken_at AS taken_at - INTERVAL '2' SECOND
      ) WITH (
        'connector' = 'kafka', 'properties.bootstrap.servers' = '%s', 'topic' = '%s', 'format' = 'json',
        'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',
        'properties.isolation.level' = 'read_committed', 'properties.max.partition.fetch.bytes' = '4194304',
        'properties.max.poll.records' = '10000', 'properties.interceptor.classes' = '%s'
      )""";

  private static final String ALERTS =
      """
      CREATE TABLE alerts (plate STRING, earlier INT, later INT) WITH (
        'connector' = 'kafka', 'properties.bootstrap.servers' = '%s', 'topic' = '%s',
        'key.format' = 'raw', 'key.fields' = 'plate', 'value.format' = 'json',
        'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = '%s',
        'properties.transaction.timeout.ms' = '600000'
      )""";

  private static final String JOIN =
      """
      INSERT INTO alerts
      SELECT a.plate, a.id, b.id
      FROM plate_reads a JOIN plate_reads b
        ON a.plate = b.plate AND a.camera <> b.camera
        AND b.taken_at BETWEEN a.taken_at AND a.taken_at + INTERVAL '10' MINUTE AND b.at_ms > a.at_ms
        AND ((a.x_m - b.x_m) * (a.x_m - b.x_m) + (a.y_m - b.y_m) * (a.y_m - b.y_m)) * 1000000
          > 625 * (b.at_ms - a.at_ms) * (b.at_ms - a.at_ms)""";

  private SqlJob() {}

  static void run(StreamExecutionEnvironment environment, Arguments arguments, int pass) throws Exception {
    StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
    tables.executeSql(READS.formatted(arguments.brokers(), arguments.input(), Began.class.getName()));
    tables.executeSql(ALERTS.formatted(arguments.brokers(), arguments.output(pass), arguments.transactions(pass)));
    tables.executeSql(JOIN).await();
  }
}
