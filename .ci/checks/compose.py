"""What a look at docker-compose.yml alone can tell."""

import pathlib
import re
import sys

import yaml

compose = yaml.safe_load(pathlib.Path("docker-compose.yml").read_text())
services = compose["services"]
problems = []
for name, service in services.items():
    # A variable may name another image than the public one, which is its default.
    image = re.sub(r"^\$\{[A-Z_]+:-(.+)\}$", r"\1", service["image"])
    if not re.search(r":v?\d+\.\d+\.\d+$", image) and image != "pipewarden:local":
        problems.append(f"{name}: {image} is not pinned")
    for port in service.get("ports", []):
        if not port.startswith("127.0.0.1:"):
            problems.append(f"{name}: port {port} is published beyond loopback")
        elif f"localhost:{port.split(':')[1]}" not in pathlib.Path("docker-compose.yml").read_text().split("name:")[0]:
            problems.append(f"{name}: port {port} is not documented at the top")
    for other, on in service.get("depends_on", {}).items():
        if on["condition"] == "service_healthy" and "healthcheck" not in services[other] and "build" not in services[other]:
            problems.append(f"{name} waits for the health of {other}, which has no check")
    for volume in service.get("volumes", []):
        if not pathlib.Path(volume.split(":")[0]).exists():
            problems.append(f"{name}: {volume} does not exist")
    for config in service.get("configs", []):
        if config["source"] not in compose["configs"]:
            problems.append(f"{name}: config {config['source']} does not exist")
for name, config in compose["configs"].items():
    yaml.safe_load(config["content"])
if problems:
    sys.exit("\n".join(problems))
print(f"{len(services)} services")
