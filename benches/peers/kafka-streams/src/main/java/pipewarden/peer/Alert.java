package pipewarden.peer;

import java.util.TreeSet;

/** What is known of one access or of many in one bucket of time. */
public record Alert(String asset, String source, TreeSet<String> sources, boolean hasPipe, boolean hasConnection, boolean hasShare) {
    static Alert none() {
        return new Alert(null, null, new TreeSet<>(), false, false, false);
    }

    Alert and(Alert other) {
        TreeSet<String> all = new TreeSet<>(sources);
        all.addAll(other.sources);
        return new Alert(
            other.asset,
            other.source,
            all,
            hasPipe || other.hasPipe,
            hasConnection || other.hasConnection,
            hasShare || other.hasShare);
    }

    /** Keys group accesses as Pipewarden's alerts do. */
    static String key(String asset, String source, long time) {
        return asset + "|" + (source == null ? "unresolved" : source) + "|" + time / 600_000;
    }
}
