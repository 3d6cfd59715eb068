"""A CloudFormation template that tests query by type, construct and property, never by a generated name."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

Resource = dict[str, Any]


class Template:
    """A template, its image assets, and the path of each resource's construct, such as Functions/Similar/Role."""

    def __init__(self, content: dict[str, Any], images: dict[str, Any]) -> None:
        self.content = content
        self.images = images
        """The image assets of the stack."""
        self.resources: dict[str, Resource] = content["Resources"]
        self.paths = {name: _path(resource) for name, resource in self.resources.items()}

    def all(self, kind: str, path: str = "*") -> dict[str, Resource]:
        """Return the properties of every resource of a type whose path matches, by path."""
        return {
            self.paths[name]: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == kind and fnmatchcase(self.paths[name], path)
        }

    def only(self, kind: str, path: str = "*") -> Resource:
        """Return the properties of the only resource of a type whose path matches."""
        (properties,) = self.all(kind, path).values()
        return properties

    def function(self, script: str) -> Resource:
        """Return the properties of a script's function."""
        return self.only("AWS::Lambda::Function", f"Functions/{script.capitalize()}/Function")

    def meant(self, value: Any) -> Any:
        """Return a value with references resolved to <path> or <path>.attribute, and joins applied."""
        match value:
            case {"Ref": name}:
                value = f"<{self.paths.get(name, name)}>"
            case {"Fn::GetAtt": [name, attribute]}:
                value = f"<{self.paths[name]}>.{attribute}"
            case {"Fn::Sub": str(text)}:
                value = re.sub(r"\$\{(.+?)\}", r"<\1>", text)
            case {"Fn::Join": [separator, parts]}:
                value = separator.join(str(self.meant(part)) for part in parts)
            case dict():
                value = {key: self.meant(part) for key, part in value.items()}
            case list():
                value = [self.meant(part) for part in value]
        return value

    def statements(self) -> Iterator[tuple[str, Resource]]:
        """Yield every statement of every IAM policy, with the path of the policy."""
        for path, policy in self.all("AWS::IAM::Policy").items():
            for statement in policy["PolicyDocument"]["Statement"]:
                yield path, self.meant(statement)

    def leaves(self) -> dict[str, Any]:
        """Return every scalar value, by the path of its construct and its path within that resource."""
        found: dict[str, Any] = {}
        for name, resource in self.resources.items():
            described = {key: value for key, value in resource.items() if key != "Metadata"}
            found |= _leaves(self.paths[name] + ":", self.meant(described))
        return found | _leaves("Outputs:", self.meant(self.content["Outputs"]))


def changes(before: Template, after: Template) -> dict[str, Any]:
    """Return the values that differ, as they are afterwards; a removed value is None."""
    old, new = before.leaves(), after.leaves()
    return {key: new.get(key) for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


def _path(resource: Resource) -> str:
    path: str = resource["Metadata"]["aws:cdk:path"]
    return "/".join(part for part in path.split("/")[1:] if part not in ("Resource", "Default"))


def _leaves(prefix: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        separator = "" if prefix.endswith(":") else "."
        return {path: leaf for key, part in items for path, leaf in _leaves(f"{prefix}{separator}{key}", part).items()}
    return {prefix: value}
