"""The chart, rendered by helm: every object is valid for Kubernetes, and none has more rights than it needs."""

from __future__ import annotations

import functools
import ipaddress
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from kubernetes_validate import utils as kubernetes
from sqlalchemy import text

from streamer.cli.main import parser
from streamer.service.store.database import Database
from streamer.service.store.tables import JobRow, UnitRow
from streamer.settings.loading import parse
from streamer.settings.service import ServeSettings
from tests.rigs.deploy.go_tools import BUILD, go_program, go_source, needs_go

pytestmark = [needs_go, pytest.mark.slow, pytest.mark.timeout(BUILD)]
CHART = Path(__file__).parents[2] / "deploy" / "helm"
VALUES = ("values.yaml", "ci/everything.yaml", "ci/hpa.yaml")
VERSIONS = ("1.29", "1.37")
EACH = pytest.mark.parametrize("values", VALUES)
Object = dict[str, Any]


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    program = go_program("helm.sh/helm/v3/cmd/helm", "v3.22.0")
    return subprocess.run([str(program), *words], capture_output=True, text=True, timeout=60, check=False)


@functools.cache
def rendered(values: str) -> tuple[Object, ...]:
    done = helm("template", "try", str(CHART), "--kube-version", "1.29", "--values", str(CHART / values))
    assert done.returncode == 0, done.stderr
    return tuple(each for each in yaml.safe_load_all(done.stdout) if each)


def one(values: str, kind: str, name: str = "") -> Object:
    (found,) = [each for each in rendered(values) if each["kind"] == kind and each["metadata"]["name"].endswith(name)]
    return found


def pods(values: str) -> Iterator[tuple[str, Object]]:
    """Name and specification of every pod."""
    for each in rendered(values):
        if each["kind"] in ("Deployment", "Job"):
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]


@functools.cache
def crds() -> dict[tuple[str, str], Object]:
    """Schemas of kinds that are not Kubernetes' own, by `apiVersion` and `kind`."""
    keda = go_source("github.com/kedacore/keda/v2", "v2.21.0") / "config/crd/bases"
    operator = go_source("github.com/prometheus-operator/prometheus-operator", "v0.92.0")
    files = [keda / "keda.sh_scaledobjects.yaml", keda / "keda.sh_triggerauthentications.yaml"]
    crd = operator / "example/prometheus-operator-crd"
    files += [crd / f"monitoring.coreos.com_{name}.yaml" for name in ("servicemonitors", "prometheusrules")]
    found = dict[tuple[str, str], Object]()
    for file in files:
        spec = yaml.safe_load(file.read_text("utf-8"))["spec"]
        for version in spec["versions"]:
            schema = closed(version["schema"]["openAPIV3Schema"])
            found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return found


def closed(schema: Object) -> Object:
    """The same, with keys that it does not know refused: Kubernetes would only leave them out."""
    schema = dict(schema)
    if isinstance(schema.get("properties"), dict):
        schema["properties"] = {name: closed(value) for name, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
    if isinstance(schema.get("items"), dict):
        schema["items"] = closed(schema["items"])
    return schema


@pytest.mark.parametrize("version", VERSIONS)
@EACH
def test_every_object_is_valid(values: str, version: str) -> None:
    for each in rendered(values):
        if "." in each["apiVersion"].split("/")[0] and not each["apiVersion"].split("/")[0].endswith(".k8s.io"):
            validator = jsonschema.Draft202012Validator(crds()[each["apiVersion"], each["kind"]])
            no_metadata = {key: value for key, value in each.items() if key != "metadata"}
            assert [error.message for error in validator.iter_errors(no_metadata)] == [], each["kind"]
        else:
            kubernetes.validate(each, version, strict=True)


def test_a_schema_does_find_what_is_wrong() -> None:
    wrong = one("ci/everything.yaml", "ScaledObject") | {}
    wrong["spec"] = wrong["spec"] | {"maxReplicaCounts": 3}
    del wrong["metadata"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(crds()["keda.sh/v1alpha1", "ScaledObject"]).validate(wrong)


@EACH
def test_helm_finds_nothing_to_complain_about(values: str) -> None:
    done = helm("lint", "--strict", str(CHART), "--kube-version", "1.29", "--values", str(CHART / values))
    assert done.returncode == 0 and "[WARNING]" not in done.stdout, done.stdout


@pytest.mark.parametrize(
    "wrong", ["worker.replicass=3", "gateway.replicas=none", "worker.autoscaling.mode=redis", "secretName="]
)
def test_values_that_make_no_sense_are_refused(wrong: str) -> None:
    done = helm("template", "try", str(CHART), "--kube-version", "1.29", "--set", wrong)
    assert done.returncode != 0 and "schema" in done.stderr and wrong.partition(".")[0].partition("=")[0] in done.stderr


@EACH
def test_pods_have_no_more_rights_than_they_need(values: str) -> None:
    """The restricted profile of the Pod Security Standards, and a root that cannot be written."""
    names = [name for name, _ in pods(values)]
    assert {"try-gateway", "try-worker"} <= set(names) and ("try-migrate" in names) is (values != "ci/hpa.yaml")
    for _, pod in pods(values):
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
        assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] >= 1000
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {kind for volume in pod["volumes"] for kind in volume if kind != "name"} <= {
            "configMap", "secret", "emptyDir",
        }  # fmt: skip
        assert all("sizeLimit" in volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume)
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory", "ephemeral-storage"} <= container["resources"]["limits"].keys()
            assert not container["image"].endswith((":latest", ":"))
            for variable in container["env"]:
                name, value = variable["name"], variable["value"]
                assert not name.endswith("_FILE") or value.startswith("/run/secrets/veilcast/"), "secrets are files"
                assert name.endswith("_FILE") or name in ("AWS_REGION", "AWS_ENDPOINT_URL")


@EACH
def test_each_pod_is_given_the_secrets_that_it_needs_and_no_others(values: str) -> None:
    wanted = {"try-gateway": {"token"}, "try-worker": set(), "try-migrate": set()}
    for name, pod in pods(values):
        (secret,) = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
        keys = {item["key"] for item in secret["items"]}
        s3 = {"broker", "s3_access_key", "s3_secret_key"} if name != "try-migrate" else set()
        assert keys == {"database"} | s3 | wanted[name]
        files = {
            each["value"].rpartition("/")[2] for each in pod["containers"][0]["env"] if each["name"][-5:] == "_FILE"
        }
        assert files == keys


@EACH
def test_workers_reach_their_backends_alone_and_nobody_reaches_them(values: str) -> None:
    policy = one(values, "NetworkPolicy", "-worker")["spec"]
    labels = one(values, "Deployment", "-worker")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["policyTypes"] == ["Ingress", "Egress"] and policy["ingress"] == []
    ports = set()
    for rule in policy["egress"]:
        ports |= {each["port"] for each in rule["ports"]}
        for peer in rule["to"]:
            assert "ipBlock" not in peer or ipaddress.ip_network(peer["ipBlock"]["cidr"]).is_private
            assert "ipBlock" in peer or peer.get("podSelector"), "a whole namespace"
    assert ports == {53, 5432, 6379, 443}
    gateway = one(values, "NetworkPolicy", "-gateway")["spec"]
    (webhooks,) = [rule for rule in gateway["egress"] if any("except" in p.get("ipBlock", {}) for p in rule["to"])]
    assert "169.254.0.0/16" in webhooks["to"][0]["ipBlock"]["except"], "where clouds keep credentials"


@EACH
def test_a_change_of_version_refuses_nobody(values: str) -> None:
    for name in ("gateway", "worker"):
        deployment = one(values, "Deployment", f"-{name}")["spec"]
        rolling = deployment["strategy"]["rollingUpdate"]
        assert rolling["maxUnavailable"] == 0 and rolling["maxSurge"]
        budget = one(values, "PodDisruptionBudget", f"-{name}")["spec"]
        assert budget["selector"] == deployment["selector"]
        pod = deployment["template"]["spec"]
        assert {each["topologyKey"] for each in pod["topologySpreadConstraints"]} >= {"kubernetes.io/hostname"}
    pod = one(values, "Deployment", "-gateway")["spec"]["template"]["spec"]
    leave = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert 0 < leave < pod["terminationGracePeriodSeconds"] - 30
    assert pod["containers"][0]["readinessProbe"]["httpGet"]["path"] == "/readyz"
    if values != "ci/hpa.yaml":
        notes = one(values, "Job")["metadata"]["annotations"]
        assert notes["helm.sh/hook"] == "pre-install,pre-upgrade"


@EACH
def test_commands_are_understood(values: str) -> None:
    for name, pod in pods(values):
        (container,) = pod["containers"]
        options = parser().parse_args(container["args"])
        if name == "try-worker":
            assert options.command == "worker" and options.grace < pod["terminationGracePeriodSeconds"] - 20
        else:
            assert options.command == "serve" and options.migrate_only is (name == "try-migrate")


def test_what_keda_asks_is_how_many_steps_wait_or_run(database: Database) -> None:
    question = one("ci/everything.yaml", "ScaledObject")["spec"]["triggers"][0]["metadata"]["query"]
    common: dict[str, Any] = {"owner": "o", "input_sha256": "", "input_bytes": 1, "settings": "{}", "engine": "e"}
    common |= {"attempts": 0, "setbacks": 0, "progress": 0.0, "created": 0.0}
    with database.writing() as session:
        for number, (state, phase) in enumerate(
            [("queued", "whole"), ("running", "whole"), ("running", "units"), ("running", "join"), ("done", "whole")]
        ):
            session.add(JobRow(id=f"{number:032}", state=state, phase=phase, **common))
        for number, blob in enumerate([None, "b" * 32, None]):
            unit = {"span": "", "share": 0.1, "attempts": 0, "setbacks": 0, "progress": 0.0}
            session.add(UnitRow(job=f"{2:032}", number=number, blob=blob, **unit))
    with database.reading() as session:
        assert session.execute(text(question)).scalar() == 3 + 2


def test_who_scales_sets_no_replicas() -> None:
    everything, hpa = "ci/everything.yaml", "ci/hpa.yaml"
    assert one("values.yaml", "Deployment", "-worker")["spec"]["replicas"] == 2
    assert not [each for each in rendered("values.yaml") if each["kind"] in ("HorizontalPodAutoscaler", "ScaledObject")]
    scaled = one(everything, "ScaledObject")["spec"]
    for target, deployment in (
        (scaled["scaleTargetRef"], one(everything, "Deployment", "-worker")),
        (
            one(everything, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"],
            one(everything, "Deployment", "-gateway"),
        ),
        (one(hpa, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"], one(hpa, "Deployment", "-worker")),
    ):
        assert target["name"] == deployment["metadata"]["name"] and "replicas" not in deployment["spec"]
    assert scaled["triggers"][0]["metadata"]["targetQueryValue"] == "4", "steps for each of two at a time"
    assert (
        scaled["triggers"][0]["authenticationRef"]["name"]
        == one(everything, "TriggerAuthentication")["metadata"]["name"]
    )


@EACH
def test_settings_are_the_program_s_own(values: str) -> None:
    text = one(values, "ConfigMap", "-settings")["data"]["veilcast.yaml"]
    settings = parse(text, Path("veilcast.yaml"), ServeSettings)
    assert settings.service.max_connections_per_address == settings.service.max_connections == 2048
    if values == "ci/everything.yaml":
        assert (settings.service.picture_workers, settings.service.keep_hours, settings.mask.cover) == (3, 48, "head")
