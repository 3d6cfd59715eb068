"""The alarms and the dashboard."""

import json
from collections.abc import Callable
from typing import Any

import pytest

import similar
from incidents.http.routes import script_names
from support.template import Template


def alarm(template: Template, name: str) -> dict[str, Any]:
    return template.only("AWS::CloudWatch::Alarm", f"Monitoring/{name}")


def test_there_are_four_alarms(template: Template) -> None:
    assert template.all("AWS::CloudWatch::Alarm").keys() == {
        f"Monitoring/{name}" for name in ("ServerErrors", "Throttles", "Slow", "StaleIndex")
    }
    for each in template.all("AWS::CloudWatch::Alarm").values():
        assert each["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"


def test_five_answers_with_status_5xx_in_five_minutes_raise_an_alarm(template: Template) -> None:
    found = template.meant(alarm(template, "ServerErrors"))
    assert (found["Namespace"], found["MetricName"], found["Statistic"]) == ("AWS/ApiGateway", "5xx", "Sum")
    assert found["Dimensions"] == [{"Name": "ApiId", "Value": "<InferenceApi/HttpApi>"}]
    assert (found["Threshold"], found["Period"], found["TreatMissingData"]) == (5, 300, "notBreaching")


def test_a_single_throttle_of_any_function_raises_an_alarm(template: Template) -> None:
    found = template.meant(alarm(template, "Throttles"))
    total, *parts = found["Metrics"]
    assert (total["Expression"], total["ReturnData"]) == ("SUM(METRICS())", True)
    assert {part["MetricStat"]["Metric"]["Dimensions"][0]["Value"] for part in parts} == {
        f"<Functions/{script.capitalize()}/Function>" for script in script_names()
    }
    assert {(part["MetricStat"]["Metric"]["MetricName"], part["ReturnData"]) for part in parts} == {
        ("Throttles", False)
    }
    assert (found["Threshold"], found["TreatMissingData"]) == (1, "notBreaching")


def test_a_lasting_p99_latency_near_30_seconds_raises_an_alarm(template: Template) -> None:
    found = alarm(template, "Slow")
    assert (found["MetricName"], found["ExtendedStatistic"], found["Threshold"]) == ("Latency", "p99", 25_000)
    assert (found["DatapointsToAlarm"], found["EvaluationPeriods"]) == (2, 3)
    assert found["TreatMissingData"] == "notBreaching"


def test_the_alarm_for_a_stale_index_stays_without_requests(
    synthesize: Callable[..., Template], template: Template
) -> None:
    found = alarm(template, "StaleIndex")
    assert found["Statistic"] == "Maximum"
    assert (found["Threshold"], found["TreatMissingData"]) == (3 * 24 * 60 * 60, "ignore")
    assert alarm(synthesize(INDEX_STALE_DAYS="1"), "StaleIndex")["Threshold"] == 86_400


@pytest.mark.usefixtures("service")
def test_the_alarm_watches_the_metric_that_an_answer_emits(
    template: Template, capsys: pytest.CaptureFixture[str]
) -> None:
    assert similar.handler({"text": "w5"}, None)["statusCode"] == 200
    (emitted,) = (json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line)
    (metrics,) = emitted["_aws"]["CloudWatchMetrics"]
    found = alarm(template, "StaleIndex")
    assert found["Namespace"] == metrics["Namespace"]
    assert {"Name": found["MetricName"], "Unit": "Seconds"} in metrics["Metrics"]
    assert [[dimension["Name"] for dimension in found["Dimensions"]]] == metrics["Dimensions"]
    for dimension in found["Dimensions"]:
        assert emitted[dimension["Name"]] == dimension["Value"]


def test_the_alarm_for_a_stale_index_can_be_disabled(synthesize: Callable[..., Template], template: Template) -> None:
    alarms = synthesize(INDEX_STALE_DAYS="0").all("AWS::CloudWatch::Alarm").keys()
    assert template.all("AWS::CloudWatch::Alarm").keys() - alarms == {"Monitoring/StaleIndex"}


def test_alarms_notify_the_configured_topic(synthesize: Callable[..., Template], template: Template) -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:alarms"
    for each in template.all("AWS::CloudWatch::Alarm").values():
        assert "AlarmActions" not in each
    for each in synthesize(ALARM_TOPIC_ARN=topic).all("AWS::CloudWatch::Alarm").values():
        assert each["AlarmActions"] == each["OKActions"] == [topic]


def test_the_dashboard_shows_the_metrics_that_the_alarms_watch(template: Template) -> None:
    body = json.loads(template.meant(template.only("AWS::CloudWatch::Dashboard")["DashboardBody"]))
    alarms, *graphs = body["widgets"]
    assert set(alarms["properties"]["alarms"]) == {f"<{path}>.Arn" for path in template.all("AWS::CloudWatch::Alarm")}
    shown = {(line[0], line[1]) for graph in graphs for line in graph["properties"]["metrics"]}
    assert {
        ("AWS/ApiGateway", "5xx"),
        ("AWS/ApiGateway", "Latency"),
        ("AWS/Lambda", "Duration"),
        ("AWS/Lambda", "Throttles"),
        ("SimilarIncidents", "IndexAgeSeconds"),
        ("SimilarIncidents", "ServerErrors"),
        ("SimilarIncidents", "Unavailable"),
        ("SimilarIncidents", "RefreshFailures"),
    } <= shown
