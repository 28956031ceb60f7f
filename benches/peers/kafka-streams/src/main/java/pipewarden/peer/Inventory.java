package pipewarden.peer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/** The hosts to protect: lines of "name address". */
final class Inventory {
    private final Map<String, String> byAddress = new HashMap<>();
    private final Set<String> names = new HashSet<>();

    Inventory(Path file) throws IOException {
        for (String line : Files.readAllLines(file)) {
            String[] parts = line.split(" ");
            byAddress.put(parts[1], parts[0]);
            names.add(parts[0]);
        }
    }

    boolean has(String name) {
        return names.contains(name);
    }

    String byAddress(String address) {
        return byAddress.get(address);
    }
}
