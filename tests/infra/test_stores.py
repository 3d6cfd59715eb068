"""The model cache and the index store."""

from collections.abc import Callable

from support.template import Template


def test_the_model_cache_is_encrypted_and_deleted_with_the_stack(template: Template) -> None:
    (cache,) = (each for each in template.resources.values() if each["Type"] == "AWS::EFS::FileSystem")
    assert cache["Properties"]["Encrypted"] is True
    assert (cache["DeletionPolicy"], cache["UpdateReplacePolicy"]) == ("Delete", "Delete")


def test_the_model_cache_refuses_unencrypted_connections(template: Template) -> None:
    (statement,) = template.only("AWS::EFS::FileSystem")["FileSystemPolicy"]["Statement"]
    assert (statement["Effect"], statement["Action"], statement["Principal"]) == ("Deny", "*", {"AWS": "*"})
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_access_point_is_the_folder_of_the_models(template: Template) -> None:
    point = template.only("AWS::EFS::AccessPoint")
    assert point["PosixUser"] == {"Uid": "1001", "Gid": "1001"}
    assert point["RootDirectory"] == {
        "Path": "/export/models",
        "CreationInfo": {"OwnerUid": "1001", "OwnerGid": "1001", "Permissions": "750"},
    }


def test_the_only_mount_target_is_in_the_group_of_the_cache(template: Template) -> None:
    target = template.meant(template.only("AWS::EFS::MountTarget"))
    assert target["SecurityGroups"] == ["<Network/CacheGroup>.GroupId"]
    assert target["SubnetId"] == "<Network/Vpc/PublicSubnet1/Subnet>"


def test_the_bucket_is_private_versioned_and_encrypted(template: Template) -> None:
    bucket = template.only("AWS::S3::Bucket")
    assert bucket["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_replaced_versions_expire(template: Template) -> None:
    (rule,) = template.only("AWS::S3::Bucket")["LifecycleConfiguration"]["Rules"]
    assert rule == {
        "Status": "Enabled",
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }


def test_the_bucket_outlives_the_stack_but_not_a_failed_first_deployment(template: Template) -> None:
    (bucket,) = (each for each in template.resources.values() if each["Type"] == "AWS::S3::Bucket")
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_the_bucket_refuses_calls_without_tls_and_grants_no_access(template: Template) -> None:
    statements = template.only("AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
    assert [(each["Effect"], each["Principal"], each["Condition"]) for each in statements] == [
        ("Deny", {"AWS": "*"}, {"Bool": {"aws:SecureTransport": "false"}}),
        ("Deny", {"AWS": "*"}, {"NumericLessThan": {"s3:TlsVersion": 1.2}}),
    ]


def test_a_publisher_may_only_replace_the_index(synthesize: Callable[..., Template]) -> None:
    publisher = "arn:aws:iam::123456789012:role/refresh"
    template = synthesize(INDEX_PUBLISHER_ARN=publisher)
    statements = template.meant(template.only("AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"])
    allowed = [each for each in statements if each["Effect"] == "Allow"]
    assert all(each["Principal"] == {"AWS": publisher} for each in allowed)
    index = "<IndexStore/Bucket>.Arn/incident_cls.pt"
    assert [(each["Action"], each["Resource"]) for each in allowed] == [
        (["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"], index),
        (["s3:ListBucket", "s3:ListBucketVersions"], "<IndexStore/Bucket>.Arn"),
    ]
