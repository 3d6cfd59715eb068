"""Monitoring: alarms that require action, and a dashboard."""

from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from incidents.names import METRICS_NAMESPACE, SERVICE

SERVER_ERRORS: Final = 5
"""Answers with status 5xx within five minutes that raise an alarm; a single one, which the caller retries, does not."""
SLOW_MILLISECONDS: Final = 25_000
"""The p99 latency that raises an alarm; API Gateway ends a call after 30,000 ms."""
SECONDS_PER_DAY: Final = 86_400


class Monitoring(Construct):
    """Three or four alarms, and a dashboard of the metrics that they watch and of those that explain them."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        api_id: str,
        functions: dict[str, lambda_.DockerImageFunction],
        index_stale_days: int,
        alarm_topic_arn: str | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._api_id = api_id
        self._functions = functions
        self._topic = sns.Topic.from_topic_arn(self, "Topic", alarm_topic_arn) if alarm_topic_arn else None
        index_age = _of_service("IndexAgeSeconds", "Maximum", Duration.hours(1))
        throttles = cloudwatch.MathExpression(
            expression="SUM(METRICS())",
            label="all functions",
            using_metrics={f"m_{script}": metric for script, metric in self._of_functions("Throttles", "Sum").items()},
        )
        alarms: list[cloudwatch.IAlarm] = [
            self._alarm("ServerErrors", self._of_api("5xx", "Sum"), SERVER_ERRORS, "Several answers had a status 5xx"),
            self._alarm("Throttles", throttles, 1, "Lambda had no instance for a request: see the account's quota"),
            self._alarm(
                "Slow",
                self._of_api("Latency", "p99"),
                SLOW_MILLISECONDS,
                "Answers take nearly as long as API Gateway waits",
                # With few requests in five minutes, a single cold start is the p99.
                evaluation_periods=3,
                datapoints_to_alarm=2,
            ),
        ]
        if index_stale_days:
            alarms.append(
                self._alarm(
                    "StaleIndex",
                    index_age,
                    index_stale_days * SECONDS_PER_DAY,
                    f"The index in use was built {index_stale_days} days ago or earlier: has the refresh failed?",
                    # Only requests report the age; without any, the last state remains valid.
                    missing_data=cloudwatch.TreatMissingData.IGNORE,
                )
            )
        self._dashboard(alarms, index_age)

    def _of_api(self, name: str, statistic: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/ApiGateway", metric_name=name, dimensions_map={"ApiId": self._api_id}, statistic=statistic
        )

    def _of_functions(self, name: str, statistic: str) -> dict[str, cloudwatch.IMetric]:
        return {
            script: function.metric(name, statistic=statistic, label=script)
            for script, function in self._functions.items()
        }

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        threshold: int,
        description: str,
        *,
        evaluation_periods: int = 1,
        datapoints_to_alarm: int = 1,
        missing_data: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING,
    ) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            name,
            alarm_description=description,
            metric=metric,
            threshold=threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=evaluation_periods,
            datapoints_to_alarm=datapoints_to_alarm,
            treat_missing_data=missing_data,
        )
        if self._topic:
            alarm.add_alarm_action(actions.SnsAction(self._topic))
            alarm.add_ok_action(actions.SnsAction(self._topic))
        return alarm

    def _dashboard(self, alarms: list[cloudwatch.IAlarm], index_age: cloudwatch.Metric) -> None:
        graphs = {
            "Requests": [self._of_api(name, "Sum") for name in ("Count", "4xx", "5xx")],
            "Latency, milliseconds": [self._of_api("Latency", statistic) for statistic in ("p50", "p99")],
            "Duration, p99, milliseconds": self._of_functions("Duration", "p99").values(),
            "Instances at the same time": self._of_functions("ConcurrentExecutions", "Maximum").values(),
            "Throttles": self._of_functions("Throttles", "Sum").values(),
            "Errors of the service": [
                _of_service(name, "Sum") for name in ("ServerErrors", "Unavailable", "RefreshFailures")
            ],
            "Age of the index, seconds": [index_age],
        }
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            widgets=[
                [cloudwatch.AlarmStatusWidget(title="Alarms", alarms=alarms, width=24)],
                [cloudwatch.GraphWidget(title=title, left=list(metrics), width=8) for title, metrics in graphs.items()],
            ],
        )


def _of_service(name: str, statistic: str, period: Duration | None = None) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=METRICS_NAMESPACE,
        metric_name=name,
        dimensions_map={"service": SERVICE},
        statistic=statistic,
        period=period,
    )
