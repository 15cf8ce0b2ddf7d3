package peers;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.producer.ProducerRecord;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** The join by hand: one keyed function, its state in plain arrays on the heap, one timer a plate. */
final class DataStreamJob {
  private static final long WITHIN_MS = 600_000;
  private static final Duration DISORDER = Duration.ofSeconds(2);

  private DataStreamJob() {}

  static void run(StreamExecutionEnvironment environment, Arguments arguments, int pass) throws Exception {
    WatermarkStrategy<PlateRead> watermarks =
        WatermarkStrategy.<PlateRead>forBoundedOutOfOrderness(DISORDER).withTimestampAssigner((read, arrivedMs) -> read.atMs);
    environment
        .fromSource(source(arguments), watermarks, "Reads")
        .keyBy(read -> read.plate, Types.LONG)
        .process(new Join())
        .returns(Types.TUPLE(Types.LONG, Types.INT, Types.INT))
        .sinkTo(sink(arguments, pass));
    environment.execute("plate join");
  }

  private static KafkaSource<PlateRead> source(Arguments arguments) {
    return KafkaSource.<PlateRead>builder()
        .setBootstrapServers(arguments.brokers())
        .setTopics(arguments.input())
        .setStartingOffsets(OffsetsInitializer.earliest())
        .setBounded(OffsetsInitializer.latest())
        .setDeserializer(KafkaRecordDeserializationSchema.valueOnly(new ReadSchema()))
        .setProperty("isolation.level", "read_committed")
        .setProperty("max.partition.fetch.bytes", "4194304")
        .setProperty("max.poll.records", "10000")
        .setProperty("interceptor.classes", Began.class.getName())
        .build();
  }

  private static KafkaSink<Tuple3<Long, Integer, Integer>> sink(Arguments arguments, int pass) {
    String topic = arguments.output(pass);
    KafkaRecordSerializationSchema<Tuple3<Long, Integer, Integer>> schema = (alert, context, atMs) -> record(topic, alert);
    return KafkaSink.<Tuple3<Long, Integer, Integer>>builder()
        .setBootstrapServers(arguments.brokers())
        .setRecordSerializer(schema)
        .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
        .setTransactionalIdPrefix(arguments.transactions(pass))
        .setProperty("transaction.timeout.ms", "600000")
        .build();
  }

  private static ProducerRecord<byte[], byte[]> record(String topic, Tuple3<Long, Integer, Integer> alert) {
    byte[] packed = ByteBuffer.allocate(Long.BYTES).putLong(alert.f0).array();
    String plate = new String(packed, 1, Long.BYTES - 1, StandardCharsets.ISO_8859_1);
    String value = "{\"plate\":\"" + plate + "\",\"earlier\":" + alert.f1 + ",\"later\":" + alert.f2 + "}";
    return new ProducerRecord<>(topic, plate.getBytes(StandardCharsets.UTF_8), value.getBytes(StandardCharsets.UTF_8));
  }

  /** Joins a read with those of its plate; forgets a plate ten minutes after its last read. */
  private static final class Join extends KeyedProcessFunction<Long, PlateRead, Tuple3<Long, Integer, Integer>> {
    private transient ValueState<Recent> reads;

    @Override
    public void open(OpenContext context) {
      reads = getRuntimeContext().getState(new ValueStateDescriptor<>("reads", Recent.class));
    }

    @Override
    public void processElement(PlateRead read, Context context, Collector<Tuple3<Long, Integer, Integer>> out) throws Exception {
      Recent recent = reads.value();
      if (recent == null) {
        recent = new Recent();
        reads.update(recent);
        context.timerService().registerEventTimeTimer(read.atMs + WITHIN_MS + 1);
      }
      // What `value` gives is ours to change: the heap backend has copied it if a snapshot still needs it.
      recent.join(read, WITHIN_MS, (earlier, later) -> out.collect(Tuple3.of(read.plate, earlier, later)));
      // Before the first watermark there is nothing to forget.
      recent.add(read, Math.max(context.timerService().currentWatermark(), WITHIN_MS) - WITHIN_MS);
    }

    @Override
    public void onTimer(long atMs, OnTimerContext context, Collector<Tuple3<Long, Integer, Integer>> out) throws Exception {
      Recent recent = reads.value();
      recent.forget(atMs - WITHIN_MS);
      long newestMs = recent.newestMs();
      if (newestMs == Long.MIN_VALUE) {
        reads.clear();
      } else {
        context.timerService().registerEventTimeTimer(newestMs + WITHIN_MS + 1);
      }
    }
  }
}
