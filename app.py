"""The CDK app: the stack with the settings of the environment and of `.env`."""

import sys

from aws_cdk import App
from pydantic import ValidationError

from infrastructure.settings import Settings, problems
from infrastructure.stack import AiidNlpLambdaStack


def main() -> None:
    """Synthesize the stack, or exit with a sentence for each invalid setting."""
    try:
        settings = Settings()
    except ValidationError as error:
        sys.exit("\n".join(f"Nothing synthesized: {problem}" for problem in problems(error)))
    app = App()
    AiidNlpLambdaStack(app, settings=settings)
    app.synth()


if __name__ == "__main__":
    main()
