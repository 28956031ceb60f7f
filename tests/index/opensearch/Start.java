import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.codelibs.opensearch.runner.OpenSearchRunner;

/**
 * One OpenSearch node on loopback, with its data in the folder that is named. Prints `listening on ADDRESS:PORT` when it answers, and ends
 * when its standard input does.
 */
public class Start {
    public static void main(String[] arguments) throws Exception {
        // OpenSearch makes entries of its log of what is written to System.out.
        PrintStream out = System.out;
        Path folder = Path.of(arguments[0]);
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> {
            settings.put("network.host", "127.0.0.1");
            settings.put("http.port", "0");
            settings.put("transport.port", "0");
            settings.put("discovery.type", "single-node");
            // Where it writes which port it has got.
            settings.put("node.portsfile", true);
            // A machine whose disk is nearly full is good enough.
            settings.put("cluster.routing.allocation.disk.threshold_enabled", false);
        });
        runner.build("-basePath", folder.toString(), "-numOfNode", "1");
        String address = Files.readAllLines(folder.resolve("node_1/logs/http.ports")).get(0);
        out.println("listening on " + address);
        while (System.in.read() >= 0) {}
        Runtime.getRuntime().halt(0);
    }
}
