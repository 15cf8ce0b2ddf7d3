package peers;

import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

import java.time.Duration;

/** The plate join in a local cluster within this process, several times over the same input: the first passes warm it up. */
public final class Main {
  private Main() {}

  public static void main(String[] given) throws Exception {
    Arguments arguments = Arguments.of(given);
    for (int pass = 0; pass < arguments.passes(); pass++) {
      System.out.println("pass " + pass);
      StreamExecutionEnvironment environment = environment(arguments);
      switch (arguments.job()) {
        case "datastream" -> DataStreamJob.run(environment, arguments, pass);
        case "sql" -> SqlJob.run(environment, arguments, pass);
        default -> throw new IllegalArgumentException("no such job: " + arguments.job());
      }
    }
  }

  /** State on the heap, exactly-once checkpoints in a local directory, no copies between chained operators. */
  private static StreamExecutionEnvironment environment(Arguments arguments) {
    Configuration settings = new Configuration();
    settings.set(PipelineOptions.OBJECT_REUSE, true);
    settings.set(StateBackendOptions.STATE_BACKEND, "hashmap");
    settings.set(CheckpointingOptions.CHECKPOINTING_CONSISTENCY_MODE, CheckpointingMode.EXACTLY_ONCE);
    settings.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofMillis(arguments.checkpointMs()));
    settings.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
    settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, "file://" + arguments.checkpoints());
    settings.set(CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION, ExternalizedCheckpointRetention.DELETE_ON_CANCELLATION);
    settings.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
    return StreamExecutionEnvironment.createLocalEnvironment(arguments.parallelism(), settings);
  }
}
