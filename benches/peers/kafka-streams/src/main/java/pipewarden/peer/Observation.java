package pipewarden.peer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Instant;

/** What matters of one Windows event. */
public record Observation(String kind, String asset, String source, String port, long time) {
    static final ObjectMapper JSON = new ObjectMapper();

    /** The key that a connection and a share access have in common. */
    public String tuple() {
        return source + ":" + port;
    }

    /** Reads a document; null where it is none of the three kinds, or not about an asset. */
    static Observation of(String document, Inventory inventory) {
        // Most documents need no parsing: none of ours lacks both words.
        if (!document.contains("Sysmon") && !document.contains("5145")) {
            return null;
        }
        JsonNode event;
        try {
            event = JSON.readTree(document);
        } catch (com.fasterxml.jackson.core.JsonProcessingException problem) {
            return null;
        }
        JsonNode winlog = event.path("winlog");
        JsonNode data = winlog.path("event_data");
        String computer = winlog.path("computer_name").asText();
        long time = Instant.parse(event.path("@timestamp").asText()).toEpochMilli();
        boolean isSysmon = winlog.path("provider_name").asText().equals("Microsoft-Windows-Sysmon");
        switch (winlog.path("event_id").asText()) {
            case "3":
                return isSysmon ? connection(data, computer, time, inventory) : null;
            case "18":
                String image = data.path("Image").asText();
                boolean isRemote = image.isEmpty() || image.equals("System") || image.equals("<unknown process>");
                String pipe = data.path("PipeName").asText();
                boolean isWatched = isSysmon && isRemote && pipe.equalsIgnoreCase("\\winreg");
                return isWatched && inventory.has(computer)
                    ? new Observation("pipe", computer, null, null, time)
                    : null;
            case "5145":
                boolean isPipe = data.path("ShareName").asText().endsWith("IPC$")
                    && data.path("RelativeTargetName").asText().equalsIgnoreCase("winreg");
                return isPipe && inventory.has(computer)
                    ? new Observation("share", computer, data.path("IpAddress").asText(), data.path("IpPort").asText(), time)
                    : null;
            default:
                return null;
        }
    }

    private static Observation connection(JsonNode data, String computer, long time, Inventory inventory) {
        String source = data.path("SourceIp").asText();
        String sourcePort = data.path("SourcePort").asText();
        String destination = data.path("DestinationIp").asText();
        String destinationPort = data.path("DestinationPort").asText();
        boolean initiated = data.path("Initiated").asText().equals("true");
        if (!initiated && sourcePort.equals("445")) {
            // The server was logged as the source.
            String ip = source;
            source = destination;
            destination = ip;
            String port = sourcePort;
            sourcePort = destinationPort;
            destinationPort = port;
        }
        if (!destinationPort.equals("445") || !data.path("Protocol").asText().equals("tcp")) {
            return null;
        }
        String asset = initiated ? inventory.byAddress(destination) : inventory.has(computer) ? computer : null;
        return asset == null ? null : new Observation("connection", asset, source, sourcePort, time);
    }
}
