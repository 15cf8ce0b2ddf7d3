package peers;

/** What the runner asks for, in this order on the command line. */
record Arguments(String job, String brokers, String input, String output, int parallelism, int passes, long checkpointMs, String checkpoints) {
  static Arguments of(String[] given) {
    return new Arguments(
        given[0], given[1], given[2], given[3], Integer.parseInt(given[4]), Integer.parseInt(given[5]), Long.parseLong(given[6]), given[7]);
  }

  /** The topic that the alerts of a pass go to. */
  String output(int pass) {
    return output + "-" + pass;
  }

  /** A name that no other pass has. */
  String transactions(int pass) {
    return output(pass) + "-transactions";
  }
}
