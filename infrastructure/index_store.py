"""The index store: the bucket for published indexes, and for a model that the image lacks."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct


class IndexStore(Construct):
    """A private, versioned bucket. It outlives the stack, because it holds the results of the refresh job."""

    def __init__(
        self, scope: Construct, construct_id: str, *, key: str, model_prefix: str, old_index_days: int
    ) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            versioned=True,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[
                s3.LifecycleRule(
                    noncurrent_version_expiration=Duration.days(old_index_days),
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                )
            ],
            # A failed first deployment still deletes its empty bucket.
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        self._index_arn = self.bucket.arn_for_objects(key)
        self._model_arn = self.bucket.arn_for_objects(f"{model_prefix}/*")

    def read_statements(self) -> list[iam.PolicyStatement]:
        """The permissions to read. Without the one to list, S3 answers 403 instead of 404 for a missing object."""
        return [
            iam.PolicyStatement(
                actions=["s3:GetObject", "s3:GetObjectVersion"], resources=[self._index_arn, self._model_arn]
            ),
            iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self.bucket.bucket_arn]),
        ]

    def allow_publishing(self, publisher_arn: str) -> None:
        """Allow a role or user to publish an index and roll it back, and nothing else."""
        for actions, resource in (
            (["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"], self._index_arn),
            (["s3:ListBucket", "s3:ListBucketVersions"], self.bucket.bucket_arn),
        ):
            self.bucket.add_to_resource_policy(
                iam.PolicyStatement(actions=actions, resources=[resource], principals=[iam.ArnPrincipal(publisher_arn)])
            )
