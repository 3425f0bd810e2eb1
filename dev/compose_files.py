"""Checks that what docker-compose.yml mounts is in the tree, and that what its containers are told to read is mounted.

Run by dev/check-compose, whose environment has a YAML parser.
"""

import re
import sys
from pathlib import Path, PurePosixPath

from ruamel.yaml import YAML

yaml = YAML(typ="safe")


def fail(message: str) -> None:
    sys.exit(f"check-compose: {message}")


class Service:
    """A service, and the files that its container sees."""

    def __init__(self, tree: Path, name: str, service: dict):
        self.name = name
        self.service = service
        # Where in the container, and what of the tree; None for a configuration that the compose file holds itself.
        self.mounts: dict[PurePosixPath, Path | None] = {}
        for volume in service.get("volumes", []):
            source, target = volume.split(":")[:2]
            # A name without a slash is a volume, not a file.
            if source.startswith("."):
                self.mounts[PurePosixPath(target)] = tree / source
        for config in service.get("configs", []):
            self.mounts[PurePosixPath(config["target"])] = None

    def sees(self, wanted: str) -> bool:
        """Whether a path of the container is mounted, itself or inside a directory that is."""
        path = PurePosixPath(wanted)
        for target, source in self.mounts.items():
            if path == target or path in target.parents:
                return True
            if target in path.parents and source is not None:
                return (source / path.relative_to(target)).exists()
        return False

    def must_see(self, wanted: str, who: str) -> None:
        if not self.sees(wanted):
            fail(f"{who} names {wanted}, which is not mounted into the service {self.name}")


def check_sources(services: list[Service], tree: Path) -> None:
    for service in services:
        for source in service.mounts.values():
            if source is not None and not source.exists():
                fail(f"the service {service.name} mounts {source.relative_to(tree)}, which is not there")
        if "build" in service.service and not (tree / service.service["build"] / "Dockerfile").exists():
            fail(f"the service {service.name} has no Dockerfile")


def check_quell(service: Service, tree: Path) -> None:
    command = service.service["command"]
    config = command[command.index("--config") + 1]
    service.must_see(config, "its command")
    text = (tree / "deploy/quell.toml").read_text()
    policy = re.search(r'^\[policy\]\npath = "(.*)"', text, re.MULTILINE)
    if policy is None:
        fail("deploy/quell.toml names no policy")
    else:
        service.must_see(policy.group(1), "deploy/quell.toml")


def check_prometheus(service: Service, tree: Path) -> None:
    config = yaml.load(tree / "deploy/prometheus/prometheus.yml")
    service.must_see("/etc/prometheus/prometheus.yml", "Prometheus")
    for rules in config["rule_files"]:
        service.must_see(f"/etc/prometheus/{rules}", "prometheus.yml")
    for job in config["scrape_configs"]:
        service.must_see(job["authorization"]["credentials_file"], "prometheus.yml")


def check_grafana(service: Service, tree: Path) -> None:
    service.must_see(service.service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"], "its environment")
    providers = yaml.load(tree / "deploy/grafana/provisioning/dashboards/quell.yml")["providers"]
    for provider in providers:
        service.must_see(provider["options"]["path"], "the dashboards' provisioning")


def main() -> None:
    file = Path(sys.argv[1]).resolve()
    tree = file.parent
    services = [Service(tree, name, service) for name, service in yaml.load(file)["services"].items()]
    check_sources(services, tree)
    by_name = {service.name: service for service in services}
    check_quell(by_name["topics"], tree)
    check_quell(by_name["quell"], tree)
    check_prometheus(by_name["prometheus"], tree)
    check_grafana(by_name["grafana"], tree)


if __name__ == "__main__":
    main()
