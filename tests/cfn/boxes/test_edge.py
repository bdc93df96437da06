"""The way in: CloudFront, firewall, load balancer, names."""

from typing import Any

from tests.cfn.rendered import Rendered, attributes

LISTENER = "AWS::ElasticLoadBalancingV2::Listener"


def listeners(deployment: Rendered) -> dict[int, dict[str, Any]]:
    return {one["Port"]: one.properties for one in deployment.resources(LISTENER)}


def distribution(deployment: Rendered) -> dict[str, Any]:
    config: dict[str, Any] = deployment.only("AWS::CloudFront::Distribution")["DistributionConfig"]
    return config


def test_whoever_does_not_come_through_cloudfront_is_refused(deployment: Rendered) -> None:
    serving = listeners(deployment)[443 if deployment.environment.site.domain else 80]
    (action,) = serving["DefaultActions"]
    assert (action["Type"], action["FixedResponseConfig"]["StatusCode"]) == ("fixed-response", "403")


def test_port_80_only_redirects(dev: Rendered) -> None:
    (action,) = listeners(dev)[80]["DefaultActions"]
    assert action["RedirectConfig"] == {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    rules = dev.resources("AWS::ElasticLoadBalancingV2::ListenerRule")
    assert {dev.leads_to(rule.stack, rule["ListenerArn"]) for rule in rules} == {("platform", "HttpsListener")}


def test_the_load_balancer_speaks_current_tls_and_says_so_to_browsers(dev: Rendered) -> None:
    secure = listeners(dev)[443]
    assert secure["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    (hsts,) = secure["ListenerAttributes"]
    assert hsts["Key"].endswith("strict_transport_security.header_value")
    assert hsts["Value"].startswith("max-age=31536000")


def test_the_load_balancer_drops_what_is_no_header_and_logs(deployment: Rendered) -> None:
    balancer = deployment.titled("platform", "LoadBalancer")
    found = attributes(balancer["LoadBalancerAttributes"])
    assert found["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert found["access_logs.s3.enabled"] == "true"
    assert found["access_logs.s3.bucket"] == {"Ref": "AccessLogs"}
    assert balancer.body["DependsOn"] == ["AccessLogsPolicy"]
    writers = deployment.titled("platform", "AccessLogsPolicy")["PolicyDocument"]["Statement"][1]
    assert writers["Principal"] == {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}


def test_production_is_protected_against_deletion(prod: Rendered, dev: Rendered) -> None:
    key = "deletion_protection.enabled"
    assert attributes(prod.titled("platform", "LoadBalancer")["LoadBalancerAttributes"])[key] == "true"
    assert attributes(dev.titled("platform", "LoadBalancer")["LoadBalancerAttributes"])[key] == "false"


def test_the_edge_decides_where_the_load_balancer_stands(dev: Rendered, lean: Rendered) -> None:
    for deployment, scheme, tier in ((dev, "internet-facing", "Public"), (lean, "internal", "Private")):
        balancer = deployment.titled("platform", "LoadBalancer")
        assert balancer["Scheme"] == scheme
        assert deployment.all_of("platform", balancer["Subnets"]) == {
            ("network", f"{tier}Subnet{number}") for number in (1, 2, 3)
        }


def test_cloudfront_reaches_its_origin_by_tls_only(dev: Rendered, lean: Rendered) -> None:
    (public,) = distribution(dev)["Origins"]
    assert public["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"
    assert public["CustomOriginConfig"]["OriginSSLProtocols"] == ["TLSv1.2"]
    (private,) = distribution(lean)["Origins"]
    door = lean.only("AWS::CloudFront::VpcOrigin")
    assert private["VpcOriginConfig"]["VpcOriginId"] == {"Ref": door.title}
    assert door["VpcOriginEndpointConfig"]["OriginProtocolPolicy"] == "https-only"
    arn = door["VpcOriginEndpointConfig"]["Arn"]
    assert lean.leads_to("cdn", arn) == ("platform", "LoadBalancer")


def test_without_a_domain_plain_http_stays_inside_the_vpc(nameless: Rendered) -> None:
    assert nameless.only("AWS::CloudFront::VpcOrigin")["VpcOriginEndpointConfig"]["OriginProtocolPolicy"] == "http-only"
    assert nameless.titled("platform", "LoadBalancer")["Scheme"] == "internal"
    assert not nameless.resources("AWS::Route53::RecordSet")
    assert "ViewerCertificate" not in distribution(nameless)


def test_viewers_come_by_https_and_nothing_of_theirs_is_cached(deployment: Rendered) -> None:
    config = distribution(deployment)
    behaviours = [config["DefaultCacheBehavior"], *config["CacheBehaviors"]]
    assert {one["ViewerProtocolPolicy"] for one in behaviours} == {"redirect-to-https"}
    disabled = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"  # the managed policy CachingDisabled
    cached = [one["PathPattern"] for one in config["CacheBehaviors"] if one["CachePolicyId"] != disabled]
    assert config["DefaultCacheBehavior"]["CachePolicyId"] == disabled
    assert len(config["DefaultCacheBehavior"]["AllowedMethods"]) == 7
    assert cached == ["/static/*"]


def test_the_origin_gets_what_the_viewer_sent_and_who_that_is(deployment: Rendered) -> None:
    config = distribution(deployment)
    for behaviour in (config["DefaultCacheBehavior"], *config["CacheBehaviors"]):
        assert deployment.leads_to("cdn", behaviour["OriginRequestPolicyId"]) == ("cdn", "PassedOn")
    policy = deployment.titled("cdn", "PassedOn")["OriginRequestPolicyConfig"]
    assert policy["HeadersConfig"] == {
        "HeaderBehavior": "allViewerAndWhitelistCloudFront",  # the host is a header of the viewer's
        "Headers": ["CloudFront-Viewer-Address"],
    }
    assert policy["CookiesConfig"] == {"CookieBehavior": "all"}
    assert policy["QueryStringsConfig"] == {"QueryStringBehavior": "all"}


def test_cloudfront_has_the_shops_name_and_a_certificate_of_virginia(dev: Rendered) -> None:
    config = distribution(dev)
    assert config["Aliases"] == [{"Ref": "DomainName"}]
    viewer = config["ViewerCertificate"]
    assert viewer["MinimumProtocolVersion"] == "TLSv1.2_2021"
    assert ":acm:us-east-1:" in viewer["AcmCertificateArn"]["Fn::Sub"]
    records = [one for one in dev.resources("AWS::Route53::RecordSet") if one.stack == "cdn"]
    assert {one["Type"] for one in records} == {"A", "AAAA"}
    assert {one["AliasTarget"]["HostedZoneId"] for one in records} == {"Z2FDTNDATAQYW2"}


def test_the_firewall_guards_the_distribution(deployment: Rendered) -> None:
    firewall = deployment.only("AWS::WAFv2::WebACL")
    assert firewall["Scope"] == "CLOUDFRONT"
    assert deployment.leads_to("cdn", distribution(deployment)["WebACLId"]) == firewall.key
    rules = {rule["Name"]: rule for rule in firewall["Rules"]}
    assert rules["RateLimit"]["Action"] == {"Block": {}}
    assert rules["RateLimit"]["Statement"]["RateBasedStatement"]["Limit"] <= 2000
    common = rules["AWSManagedRulesCommonRuleSet"]
    assert common["OverrideAction"] == {"None": {}}
    counted = common["Statement"]["ManagedRuleGroupStatement"]["RuleActionOverrides"]
    assert [one["Name"] for one in counted] == ["SizeRestrictions_BODY"]
    assert len({rule["Priority"] for rule in rules.values()}) == len(rules)


def test_requests_at_the_edge_are_logged(deployment: Rendered) -> None:
    logging = distribution(deployment)["Logging"]
    assert deployment.leads_to("cdn", logging["Bucket"]) == ("cdn", "CdnLogs")
    owner = deployment.titled("cdn", "CdnLogs")["OwnershipControls"]["Rules"][0]["ObjectOwnership"]
    assert owner == "BucketOwnerPreferred", "CloudFront delivers by ACL"
