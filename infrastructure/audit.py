"""Check the stack, with its defaults and with every option set, against cdk-nag's AwsSolutions and Serverless rules.

The audit fails if a finding is not acknowledged below, or if an acknowledgment matches no finding.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from aws_cdk import Acknowledgment, App, Validations
from cdk_nag import AwsSolutionsChecks, ServerlessChecks
from constructs import IConstruct

from incidents.http.routes import script_names
from infrastructure.functions import STATIC_SCRIPTS
from infrastructure.settings import Settings
from infrastructure.stack import AiidNlpLambdaStack

REPOSITORY: Final = Path(__file__).resolve().parents[1]
ALL_OPTIONS: Final = {
    "ALARM_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:alarms",
    "CDK_DEPLOY_ACCOUNT": "123456789012",
    "CDK_DEPLOY_REGION": "us-east-1",
    "IAM_AUTHORIZATION": "true",
    "INDEX_PUBLISHER_ARN": "arn:aws:iam::123456789012:role/refresh",
    "KEEP_WARM_MINUTES": "5",
    "RESERVED_CONCURRENCY": "5",
}
FUNCTIONS: Final = {script: f"Functions/{script.capitalize()}" for script in script_names()}
MODEL_FILES: Final = "<IndexStoreBucketF2EACF46.Arn>/models/allenai/longformer-base-4096/*"
"""The model files in the bucket that a function may read, as cdk-nag writes them."""

Finding = tuple[str, str]
"""The path of a construct in the stack, and the id of a rule."""

ACKNOWLEDGED: Final[dict[Finding, str]] = {
    ("Network/Vpc", "AwsSolutions::AwsSolutions-VPC7"): (
        "The network has no inbound access, and only the model cache and one bucket are reachable from it. A flow log "
        "would cost more than the network and show only those two destinations."
    ),
    ("IndexStore/Bucket", "AwsSolutions::AwsSolutions-S1"): (
        "The bucket holds versions of one index of public data, and a model. Policies name the few identities with "
        "access. An access log would need a second bucket."
    ),
    ("InferenceApi/HttpApi", "AwsSolutions::AwsSolutions-APIG4"): (
        "The API is public, because visitors of a website call it from their browsers. It serves public data, stores "
        "nothing and is throttled. IAM_AUTHORIZATION=true requires signed requests."
    ),
    ("Functions/KeepWarm", "Serverless::Serverless-EventBusDLQ"): (
        "A lost call that keeps a function warm needs no repetition, because another follows."
    ),
    **{
        (f"{function}/Role", "AwsSolutions::AwsSolutions-IAM5[Resource::*]"): (
            "Two statements need it: Lambda creates the network interfaces of a function in a VPC, so their ARNs are "
            "not known in advance, and X-Ray has no resource-level permissions."
        )
        for function in FUNCTIONS.values()
    },
    **{
        (f"{function}/Role", f"AwsSolutions::AwsSolutions-IAM5[Resource::{MODEL_FILES}]"): (
            "A model is a folder, whose files only its manifest lists."
        )
        for script, function in FUNCTIONS.items()
        if script not in STATIC_SCRIPTS
    },
    **{
        (f"{function}/Function", "Serverless::Serverless-LambdaDLQ"): (
            "The API calls functions synchronously, so callers see each failure. The only asynchronous calls are those "
            "that keep a function warm."
        )
        for function in FUNCTIONS.values()
    },
}
"""Why the stack does not follow a rule, by construct and rule."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0 if acknowledgments and findings match, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder for the templates")
    output: Path = parser.parse_args(argv).output
    used = audit(output / "defaults", {}) | audit(output / "all-options", ALL_OPTIONS)
    if unused := ACKNOWLEDGED.keys() - used:
        print(f"These acknowledgments match no finding: {sorted(unused)}", file=sys.stderr)
        return 1
    return 0


def audit(folder: Path, options: Mapping[str, str]) -> set[Finding]:
    """Synthesize the stack with these settings into a folder and return the acknowledgments that it needs.

    Raises:
        SystemExit: the stack has a finding without an acknowledgment.
    """
    context = json.loads((REPOSITORY / "cdk.json").read_text())["context"]
    # The audit does not depend on the image's content, so it is not copied.
    app = App(context=context | {"aws:cdk:disable-asset-staging": True}, outdir=str(folder))
    stack = AiidNlpLambdaStack(app, settings=Settings.from_mapping(options))
    acknowledge(stack)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))
    try:
        app.synth()
    except RuntimeError:  # the CDK has printed every finding
        sys.exit("The stack has findings that infrastructure/audit.py does not acknowledge.")
    return suppressed(folder / "validation-report.json", stack.stack_name)


def acknowledge(stack: AiidNlpLambdaStack) -> None:
    """Acknowledge the known findings of the constructs that this stack has."""
    for (path, rule), reason in ACKNOWLEDGED.items():
        if construct := find(stack, path):
            Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))


def find(scope: IConstruct, path: str) -> IConstruct | None:
    """Return the construct at a path, or None, because the defaults omit some constructs."""
    found: IConstruct | None = scope
    for name in path.split("/"):
        found = found.node.try_find_child(name) if found else None
    return found


def suppressed(report: Path, stack_name: str) -> set[Finding]:
    """Read from a validation report which acknowledgments suppressed a finding."""
    return {
        (violation["acknowledgedAt"].removeprefix(f"{stack_name}/"), violation["acknowledgedId"])
        for plugin in json.loads(report.read_text())["pluginReports"]
        for violation in plugin["suppressedViolations"]
    }


if __name__ == "__main__":
    sys.exit(main())
