"""Build the stack by the settings in the environment and in .env; the CDK's command line runs this."""

import os
import sys

from aws_cdk import App
from dotenv import dotenv_values

from infrastructure.settings import Settings
from infrastructure.stack import AiidNlpLambdaStack


def main() -> None:
    """Synthesise the stack; a setting that cannot be used is named, and ends it."""
    written = {key: value for key, value in dotenv_values(".env").items() if value is not None}
    try:
        settings = Settings.from_mapping(written | os.environ)
    except ValueError as error:
        sys.exit(f"Nothing synthesised: {error}")
    app = App()
    AiidNlpLambdaStack(app, settings=settings)
    app.synth()


if __name__ == "__main__":
    main()
