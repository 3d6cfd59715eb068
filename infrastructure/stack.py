"""The stack: joins the constructs and grants them access to each other."""

from pathlib import Path

import jsii
from aws_cdk import CfnOutput, Environment, Fn, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from incidents.http.routes import SCRIPTS_FOLDER, routes
from incidents.names import INDEX_FILENAME, MODEL_DIR, WEIGHTS_FILENAME
from infrastructure.functions import STATIC_SCRIPTS, Functions
from infrastructure.index_store import IndexStore
from infrastructure.inference_api import InferenceApi
from infrastructure.model_cache import MOUNT_PATH, ModelCache
from infrastructure.monitoring import Monitoring
from infrastructure.network import Network
from infrastructure.settings import Settings


class AiidNlpLambdaStack(Stack):
    """The whole service. Without an account and a region, it deploys to those of the credentials in use."""

    def __init__(self, scope: Construct, *, settings: Settings, image_folder: Path = SCRIPTS_FOLDER) -> None:
        self._zone = settings.availability_zone or Fn.select(0, Fn.get_azs())
        super().__init__(
            scope,
            "AiidNlpLambdaStack",
            description="Similar incidents: an HTTP API that says which known AI incidents a text resembles",
            env=Environment(account=settings.cdk_deploy_account, region=settings.cdk_deploy_region),
        )
        network = Network(self, "Network")
        cache = ModelCache(self, "ModelCache", vpc=network.vpc, security_group=network.cache_group)
        store = IndexStore(
            self,
            "IndexStore",
            key=INDEX_FILENAME,
            model_prefix=f"models/{settings.hf_model_uri}",
            old_index_days=settings.old_index_days,
        )
        functions = Functions(
            self,
            "Functions",
            vpc=network.vpc,
            security_group=network.functions_group,
            image_folder=image_folder,
            environment=_environment(settings, store.bucket.bucket_name),
            settings=settings,
        )
        api = InferenceApi(
            self, "InferenceApi", functions=functions.by_script, routes=routes(image_folder), settings=settings
        )
        Monitoring(
            self,
            "Monitoring",
            api_id=api.id,
            functions=functions.by_script,
            index_stale_days=settings.index_stale_days,
            alarm_topic_arn=settings.alarm_topic_arn,
        )

        for script, function in functions.by_script.items():
            if script not in STATIC_SCRIPTS:
                cache.mount(function)
                for statement in store.read_statements():
                    function.add_to_role_policy(statement)
        for statement in store.read_statements():
            statement.add_principals(iam.AnyPrincipal())
            network.s3_endpoint.add_to_policy(statement)
        if settings.index_publisher_arn:
            store.allow_publishing(settings.index_publisher_arn)

        CfnOutput(self, "apiUrl", value=api.url, description="The page; after its slash comes a route")
        CfnOutput(self, "indexBucket", value=store.bucket.bucket_name, description="Where a new index is published")

    @property
    @jsii.member(jsii_name="availabilityZones")
    def availability_zones(self) -> list[str]:
        """The only zone of the network; the inherited property would look zones up in the account."""
        return [self._zone]


def _environment(settings: Settings, bucket_name: str) -> dict[str, str]:
    """The environment of every function; see inference/incidents/settings.py."""
    environment = {
        "TRANSFORMERS_CACHE": MOUNT_PATH,
        # No function reads the four fixed names; operators of the original service look for them here.
        "MODEL_DIR": MODEL_DIR,
        "MODEL_FILENAME": WEIGHTS_FILENAME,
        "INCIDENTS_FILENAME": INDEX_FILENAME,
        "HF_MODEL_URI": settings.hf_model_uri,
        "INDEX_BUCKET": bucket_name,
        "INDEX_KEY": INDEX_FILENAME,
        "INDEX_REFRESH_SECONDS": str(settings.index_refresh_seconds),
    }
    if settings.max_text_characters is not None:
        environment["MAX_TEXT_CHARACTERS"] = str(settings.max_text_characters)
    return environment
