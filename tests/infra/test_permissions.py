"""Least privilege: the permissions of a function, and the statements on all resources."""

from incidents.http.routes import script_names
from support.template import Resource, Template

ON_EVERY_RESOURCE = {
    # Lambda creates the network interfaces of a function in a VPC, so their ARNs are not known in advance.
    (
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    ),
    # X-Ray has no resource-level permissions.
    ("xray:PutTelemetryRecords", "xray:PutTraceSegments"),
}


MOUNTING = ("elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite")
MODEL_FILES = "<IndexStore/Bucket>.Arn/models/allenai/longformer-base-4096/*"
"""A model is a folder, whose files only its manifest lists."""


def actions(statement: Resource) -> tuple[str, ...]:
    action = statement["Action"]
    return (action,) if isinstance(action, str) else tuple(action)


def resources(statement: Resource) -> tuple[str, ...]:
    resource = statement["Resource"]
    return (resource,) if isinstance(resource, str) else tuple(resource)


def test_only_known_statements_have_a_star_as_resource(template: Template) -> None:
    statements = [statement for _, statement in template.statements()]
    assert {actions(statement) for statement in statements if "*" in resources(statement)} == ON_EVERY_RESOURCE
    patterns = {resource for statement in statements for resource in resources(statement) if "*" in resource}
    assert patterns == {"*", MODEL_FILES}


def test_no_action_is_a_pattern(template: Template) -> None:
    assert not [action for _, statement in template.statements() for action in actions(statement) if "*" in action]


def test_a_function_has_these_permissions_and_no_others(template: Template) -> None:
    for script in script_names():
        path = f"Functions/{script.capitalize()}"
        statements = [each for owner, each in template.statements() if owner == f"{path}/Role/DefaultPolicy"]
        assert {each["Effect"] for each in statements} == {"Allow"}
        named = {actions(each): resources(each) for each in statements if each["Resource"] != "*"}
        arn = "arn:<AWS::Partition>:elasticfilesystem:<AWS::Region>:<AWS::AccountId>"
        logs = {("logs:CreateLogStream", "logs:PutLogEvents"): (f"<{path}/Logs>.Arn",)}
        data = {
            MOUNTING: (f"{arn}:file-system/<ModelCache/FileSystem>",),
            ("s3:GetObject", "s3:GetObjectVersion"): ("<IndexStore/Bucket>.Arn/incident_cls.pt", MODEL_FILES),
            ("s3:ListBucket",): ("<IndexStore/Bucket>.Arn",),
        }
        assert named == (logs if script == "page" else logs | data)


def test_a_function_mounts_by_the_access_point_only(template: Template) -> None:
    mounts = [each for _, each in template.statements() if actions(each) == MOUNTING]
    assert len(mounts) == len(script_names()) - 1  # the page does not mount it
    for mount in mounts:
        arn = mount["Condition"]["StringEquals"]["elasticfilesystem:AccessPointArn"]
        assert arn.endswith(":access-point/<ModelCache/FileSystem/Models>")


def test_every_function_has_its_own_role_without_managed_policies(template: Template) -> None:
    roles = template.all("AWS::IAM::Role")
    assert roles.keys() == {f"Functions/{script.capitalize()}/Role" for script in script_names()}
    for script in script_names():
        own = f"<Functions/{script.capitalize()}/Role>.Arn"
        assert template.meant(template.function(script)["Role"]) == own
    for role in roles.values():
        (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trusted["Principal"] == {"Service": "lambda.amazonaws.com"}
        assert not {"ManagedPolicyArns", "Policies"} & role.keys()
