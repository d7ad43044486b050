#!/usr/bin/env python3
"""Checks Kubernetes manifests: against the schemas of two versions, and that every pod is as locked
down as docs/container.md says, that no secret stands in a manifest, and that the settings are those
of deploy/config. Prints each mistake, and exits with 1 where there is one.

    scripts/check_manifests.py FILE…
"""

import re
import sys
from pathlib import Path

import kubernetes_validate
import yaml

# The oldest that the manifests are held to, and the newest that has schemas.
VERSIONS = ("1.33", "1.37")
SETTINGS = Path("deploy/config/production.toml")
# Variables that hold a secret themselves; with `_FILE` they only name where one is.
SECRET_VARIABLE = re.compile(r"^SPEEDFIT_[A-Z]+_(PASSWORD|TOKEN|TOKENS|URL|SECRET|HEADERS)$")


def name_of(document):
    metadata = document.get("metadata", {})
    return f"{document.get('kind')}/{metadata.get('name') or metadata.get('generateName')}"


def schema_mistakes(document):
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as mistake:
            path = ".".join(str(part) for part in mistake.path)
            yield f"Kubernetes {version}: {path}: {mistake.message}"


def pod_of(document):
    """The specification of the pods that a document makes, or None."""
    spec = document.get("spec", {})
    for path in (("jobTemplate", "spec", "template", "spec"), ("template", "spec")):
        found = spec
        for part in path:
            found = found.get(part, {}) if isinstance(found, dict) else {}
        if found:
            return found
    return None


def pod_mistakes(pod):
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or context.get("runAsUser") != 65532:
        yield "the pod does not run as the user 65532"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "the pod has no seccomp profile"
    if pod.get("automountServiceAccountToken") is not False and not uses_vault(pod):
        yield "the pod is given a token of the cluster"
    if "terminationGracePeriodSeconds" not in pod:
        yield "the pod has no time to stop"
    for container in pod.get("containers", []) + pod.get("initContainers", []):
        for mistake in container_mistakes(container):
            yield f"container {container.get('name')}: {mistake}"


def uses_vault(pod):
    """Whether secrets come from Vault's injector, which logs in by the pod's token."""
    variables = [variable for container in pod["containers"] for variable in container.get("env", [])]
    return any(str(variable.get("value", "")).startswith("/vault/") for variable in variables)


def container_mistakes(container):
    context = container.get("securityContext", {})
    if context.get("readOnlyRootFilesystem") is not True:
        yield "its root can be written"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "it may gain rights"
    if context.get("capabilities", {}).get("drop") != ["ALL"]:
        yield "it keeps capabilities"
    resources = container.get("resources", {})
    for kind in ("requests", "limits"):
        if set(resources.get(kind, {})) != {"cpu", "memory"}:
            yield f"it has no {kind} of CPU and memory"
    if not re.search(r":\d+\.\d+\.\d+$|@sha256:[0-9a-f]{64}$", container.get("image", "")):
        yield f"its image is not pinned: {container.get('image')}"
    for variable in container.get("env", []):
        if SECRET_VARIABLE.match(variable["name"]):
            yield f"{variable['name']} is a variable: secrets are files"
    mounted = {mount["mountPath"] for mount in container.get("volumeMounts", [])}
    if "/var/lib/speedfit" not in mounted:
        yield "it has nowhere to write"


def settings_mistakes(document):
    for name, text in document.get("data", {}).items():
        if name == SETTINGS.name and text != SETTINGS.read_text(encoding="utf-8"):
            yield f"{name} differs from {SETTINGS}"


def secret_mistakes(document):
    for name, value in {**document.get("data", {}), **document.get("stringData", {})}.items():
        if value:
            yield f"the secret {name} has a value"


def mistakes_of(document):
    yield from schema_mistakes(document)
    pod = pod_of(document)
    if pod:
        yield from pod_mistakes(pod)
    kind = document.get("kind")
    if kind == "ConfigMap":
        yield from settings_mistakes(document)
    if kind == "Secret":
        yield from secret_mistakes(document)
    if kind == "CronJob":
        spec = document["spec"]
        if spec.get("concurrencyPolicy") != "Forbid" or "startingDeadlineSeconds" not in spec:
            yield "two nights may run at once, or a missed one without end"
        if "activeDeadlineSeconds" not in spec["jobTemplate"]["spec"]:
            yield "a run may take without end"


def main(files):
    n_documents = n_mistakes = 0
    for file in files:
        for document in yaml.safe_load_all(Path(file).read_text(encoding="utf-8")):
            n_documents += 1
            for mistake in mistakes_of(document):
                n_mistakes += 1
                print(f"{file}: {name_of(document)}: {mistake}", file=sys.stderr)
    if not n_documents:
        print("error: there is nothing to check", file=sys.stderr)
        return 1
    print(f"{n_documents} manifests, {n_mistakes} mistakes")
    return 1 if n_mistakes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
