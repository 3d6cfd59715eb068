"""Hold the stack, with its defaults and with every option on, against cdk-nag's AwsSolutions and Serverless rules.

A finding that is not acknowledged below, with a reason, fails the audit; so does an acknowledgement of nothing.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aws_cdk import Acknowledgment, App, Validations
from cdk_nag import AwsSolutionsChecks, ServerlessChecks
from constructs import IConstruct

from incidents.http.routes import script_names
from infrastructure.functions import STATIC_SCRIPTS
from infrastructure.settings import Settings
from infrastructure.stack import AiidNlpLambdaStack
from scripts.cli.paths import REPOSITORY

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
"""What a function may read of the bucket, as cdk-nag writes it."""

Finding = tuple[str, str]
"""A construct's path in the stack, and the id of a rule."""

ACKNOWLEDGED: Final[dict[Finding, str]] = {
    ("Network/Vpc", "AwsSolutions::AwsSolutions-VPC7"): (
        "Nothing can enter this network, and nothing leaves it but to the model cache and one bucket; a flow log would "
        "cost more than the network and show those two."
    ),
    ("IndexStore/Bucket", "AwsSolutions::AwsSolutions-S1"): (
        "The bucket holds one index of public data and its versions, and the few who may read or write it are listed "
        "in policies; an access log would need a second bucket."
    ),
    ("InferenceApi/HttpApi", "AwsSolutions::AwsSolutions-APIG4"): (
        "The API is public, as visitors of a website call it from their browsers: it gives public data, keeps nothing "
        "and is throttled. IAM_AUTHORIZATION=true closes it."
    ),
    ("Functions/KeepWarm", "Serverless::Serverless-EventBusDLQ"): (
        "A call that keeps a function warm is worth nothing a minute later; the next one is on its way."
    ),
    **{
        (f"{function}/Role", "AwsSolutions::AwsSolutions-IAM5[Resource::*]"): (
            "Two sets of actions: Lambda makes the network interfaces of a function in a VPC, which have no name "
            "before; and X-Ray knows no resources to name."
        )
        for function in FUNCTIONS.values()
    },
    **{
        (f"{function}/Role", f"AwsSolutions::AwsSolutions-IAM5[Resource::{MODEL_FILES}]"): (
            "A model is a folder of files, and the manifest among them says which there are."
        )
        for script, function in FUNCTIONS.items()
        if script not in STATIC_SCRIPTS
    },
    **{
        (f"{function}/Function", "Serverless::Serverless-LambdaDLQ"): (
            "The API calls functions synchronously and the caller learns of a failure; the only asynchronous call is "
            "the one that keeps warm."
        )
        for function in FUNCTIONS.values()
    },
}
"""Why what a rule wants of a construct is not done."""


def main() -> int:
    """Run the command line; the exit status is 0 when nothing is left to acknowledge, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="where the templates are written")
    output: Path = parser.parse_args().output
    used = audit(output / "defaults", {}) | audit(output / "all-options", ALL_OPTIONS)
    if unused := ACKNOWLEDGED.keys() - used:
        print(f"These acknowledgements are of nothing any more: {sorted(unused)}", file=sys.stderr)
        return 1
    return 0


def audit(folder: Path, options: Mapping[str, str]) -> set[Finding]:
    """Synthesise into the folder and give the acknowledgements that were needed; a finding without one ends it all."""
    context = json.loads((REPOSITORY / "cdk.json").read_text())["context"]
    # The image's content has no say here, and is not copied.
    app = App(context=context | {"aws:cdk:disable-asset-staging": True}, outdir=str(folder))
    stack = AiidNlpLambdaStack(app, settings=Settings.from_mapping(options))
    for (path, rule), reason in ACKNOWLEDGED.items():
        if construct := find(stack, path):
            Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))
    Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))
    try:
        app.synth()
    except RuntimeError:  # the CDK has printed every finding by then
        sys.exit("The stack has findings that are not acknowledged in scripts/audit_stack.py.")
    report = json.loads((folder / "validation-report.json").read_text())
    return {
        (violation["acknowledgedAt"].removeprefix(f"{stack.stack_name}/"), violation["acknowledgedId"])
        for plugin in report["pluginReports"]
        for violation in plugin["suppressedViolations"]
    }


def find(scope: IConstruct, path: str) -> IConstruct | None:
    """Find the construct of a path; the defaults leave some out."""
    found: IConstruct | None = scope
    for name in path.split("/"):
        found = found.node.try_find_child(name) if found else None
    return found


if __name__ == "__main__":
    sys.exit(main())
