"""Renders the chart for a matrix of values and validates what comes out.

usage: chart.py PROGRAM CUSTOM_RESOURCE_DEFINITION...
"""

import pathlib
import subprocess
import sys
import tempfile

import jsonschema
import kubernetes_validate
import yaml

CHART = pathlib.Path("helm/pipewarden")
VERSIONS = ["1.27", "1.37"]

# What the matrix must show, all together.
KINDS = {
    "ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Job", "NetworkPolicy", "Pod", "PodDisruptionBudget", "PrometheusRule",
    "ScaledObject", "Service", "ServiceAccount", "ServiceMonitor", "StatefulSet",
}

# A commit may take 60 s, and both halves end at once; the rest is room.
LONGEST_END = 75

# The restricted profile of Kubernetes' pod security standards, as far as this chart can break it.
RESTRICTED_VOLUMES = {"configMap", "secret", "emptyDir", "projected"}


def helm(*arguments):
    return subprocess.run(["helm", *arguments], capture_output=True, text=True)


def render(values, version):
    rendered = helm("template", "soc", str(CHART), "-n", "soc", "-f", str(values), "--kube-version", f"{version}.0")
    if rendered.returncode:
        sys.exit(f"{values}: {rendered.stderr}")
    return [document for document in yaml.safe_load_all(rendered.stdout) if document]


def strict(schema):
    """A resource definition's schema, with fields that it does not name refused, as the API server does when asked to."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: strict(value) for key, value in schema.items() if key != "format"}
    if "pattern" in out:
        # Go takes flags anywhere, Python only in front.
        out["pattern"] = out["pattern"].replace("^(?i)", "(?i)^")
    if schema.get("x-kubernetes-int-or-string"):
        out = {"type": ["integer", "string"]}
    elif "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        out.setdefault("additionalProperties", False)
    return out


def custom_resources(paths):
    found = {}
    for path in paths:
        spec = yaml.safe_load(pathlib.Path(path).read_text())["spec"]
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return found


def validate(document, version, definitions):
    own = definitions.get((document["apiVersion"], document["kind"]))
    if own is not None:
        jsonschema.validate(document, own)
    else:
        kubernetes_validate.validate(document, version, strict=True)


def pod_of(document):
    if document["kind"] == "Pod":
        return document["spec"]
    return document.get("spec", {}).get("template", {}).get("spec")


def restricted(pod):
    """What breaks the restricted profile."""
    context = pod["securityContext"]
    if not context.get("runAsNonRoot") or context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "the pod may run as root, or without a seccomp profile"
    for volume in pod.get("volumes", []):
        if kinds := set(volume) - {"name"} - RESTRICTED_VOLUMES:
            yield f"volume {volume['name']} is {kinds}"
    if pod.get("hostNetwork") or pod.get("hostPID") or pod.get("hostIPC"):
        yield "it shares namespaces with its node"
    for container in pod["containers"] + pod.get("initContainers", []):
        own = container["securityContext"]
        if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"container {container['name']} may gain privileges"
        if not own.get("readOnlyRootFilesystem"):
            yield f"container {container['name']} may write to its root"


def chosen_by_openshift(pod):
    """What restricted-v2 of OpenShift rejects: users and groups that are not its own."""
    yield from {"runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"} & set(pod["securityContext"])
    for container in pod["containers"]:
        yield from {"runAsUser", "runAsGroup"} & set(container["securityContext"])


def settings_are_accepted(program, documents, folder):
    """What the pods would mount, in force: a replay takes rules without their cases, too."""
    mounts = {}
    for document in documents:
        if document["kind"] == "ConfigMap":
            for name, text in document["data"].items():
                place = folder / document["metadata"]["name"] / name
                place.parent.mkdir(exist_ok=True)
                place.write_text(text)
            mounts[document["metadata"]["name"].rsplit("-", 1)[1]] = place.parent
    arguments = [program, "replay", "samples/detect-8.ndjson", "--config", str(mounts["settings"] / "pipewarden.yaml")]
    # The paths inside the pod are not those here.
    if "inventory" in mounts:
        arguments += ["--inventory", str(mounts["inventory"] / "inventory.yaml")]
    elif "/etc/pipewarden/inventory" in (mounts["settings"] / "pipewarden.yaml").read_text():
        arguments += ["--inventory", "samples/inventory.yaml"]
    if "exceptions" in mounts:
        arguments += ["--exceptions", str(mounts["exceptions"] / "exceptions.yaml")]
    if "rules" in mounts:
        arguments += ["--rules", str(mounts["rules"])]
    return subprocess.run(arguments, capture_output=True, text=True)


def main(program, *paths):
    definitions = custom_resources(paths)
    problems, manifests, kinds = [], 0, set()
    openshift = CHART / "values-openshift.yaml"
    matrix = [*sorted(CHART.glob("ci/*-values.yaml")), openshift]
    assert len(matrix) > 1, "no values to render"
    for values in matrix:
        linted = helm("lint", "--strict", str(CHART), "-f", str(values))
        if linted.returncode:
            problems.append(f"{values}: {linted.stdout}{linted.stderr}")
        for version in VERSIONS:
            documents = render(values, version)
            kinds |= {document["kind"] for document in documents}
            names = [(document["kind"], document["metadata"]["name"]) for document in documents]
            for twice in {name for name in names if names.count(name) > 1}:
                problems.append(f"{values}: {twice} is there twice")
            for document in documents:
                where = f"{values.name}, Kubernetes {version}, {document['kind']} {document['metadata']['name']}"
                manifests += 1
                try:
                    validate(document, version, definitions)
                except Exception as problem:  # Both validators have their own kinds.
                    problems.append(f"{where}: {str(problem)[:600]}")
                if document["kind"] == "NetworkPolicy" and not all(rule.get("from") for rule in document["spec"]["ingress"]):
                    problems.append(f"{where}: anyone may reach the endpoints")
                if pod := pod_of(document):
                    problems += [f"{where}: {broken}" for broken in restricted(pod)]
                    if values == openshift:
                        problems += [f"{where}: OpenShift rejects {field}" for field in chosen_by_openshift(pod)]
                    if document["kind"] == "StatefulSet" and pod["terminationGracePeriodSeconds"] < LONGEST_END:
                        problems.append(f"{where}: killed before it can end in order")
        with tempfile.TemporaryDirectory() as folder:
            accepted = settings_are_accepted(program, documents, pathlib.Path(folder))
            if accepted.returncode:
                problems.append(f"{values}: pipewarden replay: {accepted.stderr}")
    if kinds != KINDS:
        problems.append(f"the matrix shows {sorted(kinds)} and should show {sorted(KINDS)}")
    refused = sorted(CHART.glob("ci/refused/*.yaml"))
    assert refused, "nothing to refuse"
    for values in refused:
        word = values.read_text().rsplit("says: ", 1)[1].strip()
        said = helm("template", "soc", str(CHART), "-f", str(values), "--kube-version", "1.37.0")
        if said.returncode == 0 or word not in said.stderr:
            problems.append(f"{values} should be refused with a word of {word}: {said.stderr}")
    if problems:
        sys.exit("\n".join(problems))
    print(f"{manifests} manifests of {len(matrix)} sets of values are valid for Kubernetes {' and '.join(VERSIONS)}; "
          f"{len(refused)} sets of wrong values are refused")


main(*sys.argv[1:])
