package io.quell.example;

import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/** The command line: {@code --name value} pairs. */
final class Arguments {
    private static final String USAGE = """
            --bootstrap HOST:PORT     default 127.0.0.1:9092
            --downstream NAME         as the policy names it; default ads
            --topic TOPIC             default suppression.<downstream>
            --acks-topic TOPIC        default suppression.acks
            --schemas DIRECTORY       Quell's schemas; default schemas
            --writer-schema FILE      another version of suppression.avsc that records may be written with
            --until-idle SECONDS      end when nothing came for so long""";

    String bootstrap = "127.0.0.1:9092";
    String topic;
    String acksTopic = "suppression.acks";
    Path schemas = Path.of("schemas");
    final List<Path> writerSchemas = new ArrayList<>();
    private Duration untilIdle;

    static Arguments parse(String[] words) {
        var arguments = new Arguments();
        String downstream = "ads";
        for (int at = 0; at + 1 < words.length; at += 2) {
            String value = words[at + 1];
            switch (words[at]) {
                case "--bootstrap" -> arguments.bootstrap = value;
                case "--downstream" -> downstream = value;
                case "--topic" -> arguments.topic = value;
                case "--acks-topic" -> arguments.acksTopic = value;
                case "--schemas" -> arguments.schemas = Path.of(value);
                case "--writer-schema" -> arguments.writerSchemas.add(Path.of(value));
                case "--until-idle" -> arguments.untilIdle = Duration.ofMillis((long) (Double.parseDouble(value) * 1000));
                default -> usage();
            }
        }
        if (words.length % 2 != 0) {
            usage();
        }
        if (arguments.topic == null) {
            arguments.topic = "suppression." + downstream;
        }
        return arguments;
    }

    boolean isIdleSince(Instant heardAt) {
        return untilIdle != null && Duration.between(heardAt, Instant.now()).compareTo(untilIdle) >= 0;
    }

    private static void usage() {
        System.err.println(USAGE);
        System.exit(2);
    }
}
