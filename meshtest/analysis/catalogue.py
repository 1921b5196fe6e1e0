"""All codes, by area. A code keeps its meaning for ever; one that is given up is not used again.

`docs/analysis.md` explains each with a wrong and a right example, which the tests run.
"""

from __future__ import annotations

from meshtest.analysis.finding import ERROR, INFO, Code

# Reading
UNREADABLE = Code("MT0001", "The file cannot be read", ERROR)
REFUSED = Code("MT0002", "The API server refuses the resource", ERROR, "IST0106")
TWICE_IN_FILE = Code("MT0003", "One object stands twice in a file")

# Where routes lead
UNKNOWN_DESTINATION = Code("MT0101", "A destination is no service of the mesh", istio="IST0101")
UNKNOWN_DESTINATION_PORT = Code("MT0102", "A destination's port is no port of its service")
DESTINATION_PORT_NEEDED = Code(
    "MT0103", "A destination without a port gets one that its service does not have", istio="IST0112"
)
UNKNOWN_SUBSET = Code("MT0104", "No DestinationRule that counts defines a destination's subset", istio="IST0101")
EMPTY_SUBSET = Code("MT0105", "Traffic is sent to a subset that selects no pod", istio="IST0173")
GATEWAY_DOES_NOT_LISTEN = Code("MT0106", "Traffic is sent to a gateway that does not listen")
PROTOCOL_OF_DESTINATION = Code(
    "MT0107", "A destination's port speaks TLS where the rule sends plain HTTP, or the other way round"
)

# Delegates
UNKNOWN_DELEGATE = Code("MT0111", "A rule delegates to a VirtualService that does not serve as delegate")
DELEGATE_CONFLICT = Code("MT0112", "The matches of a delegate contradict those of its root")
UNUSED_DELEGATE = Code("MT0113", "A VirtualService without hosts to which nobody delegates")

# What a VirtualService is bound to
UNKNOWN_GATEWAY = Code("MT0121", "A VirtualService is bound to a Gateway that does not exist", istio="IST0101")
HOST_NOT_IN_GATEWAY = Code("MT0122", "A VirtualService's hosts are not served by its Gateway", istio="IST0132")
MESH_NOT_LISTED = Code("MT0123", "A rule for a service of the mesh does not count in the mesh")
UNKNOWN_MESH_HOST = Code("MT0124", "A VirtualService of the mesh is for a host that no service has")
CONFLICTING_MESH_HOSTS = Code("MT0125", "Two VirtualServices rule one host of the mesh", istio="IST0109")
WILDCARD_TO_ONE = Code("MT0126", "A wildcard sends the calls of many services to one")
INTERNAL_GATEWAY = Code("MT0127", "A VirtualService names a Gateway that Istio generated", istio="IST0165")
RULES_DO_NOT_FIT_PORT = Code("MT0128", "HTTP, TLS or TCP rules for a port of another protocol")
MESH_RULES_PASSED_OVER = Code("MT0129", "A Gateway passes over rules that are for the mesh", istio="IST0140")

# Matching
UNREACHABLE_RULE = Code("MT0201", "A rule is never reached", istio="IST0130")
UNREACHABLE_MATCH = Code("MT0202", "A match of a rule is never reached", istio="IST0131")
UNREACHABLE_BEHIND_OTHER = Code(
    "MT0203", "A rule is never reached, since another VirtualService of the host comes first"
)
MATCH_PORT_CLOSED = Code("MT0204", "A match wants a port on which nothing is called")
MATCH_GATEWAY_UNBOUND = Code("MT0205", "A match names a gateway to which the VirtualService is not bound")
MATCH_NO_CALLER = Code("MT0206", "A match wants a caller that does not exist")
MATCH_IMPOSSIBLE = Code("MT0207", "A pattern that no request has")
REGEX_MATCHES_WHOLE = Code("MT0208", "A regular expression is written as if it were searched for")
HEADER_NOT_FORWARDED = Code("MT0209", "A rule inside the mesh wants a header that callers must pass on")
NOTHING_FOR_THE_REST = Code("MT0210", "Requests that match no rule get 404")
CASE_OF_REGEX = Code("MT0211", "ignoreUriCase has no effect")
CLAIMS_WITHOUT_AUTHENTICATION = Code("MT0212", "Routes by claims of tokens that nobody checks", istio="IST0149")
LABELS_BESIDE_GATEWAYS = Code("MT0213", "Labels of the caller do not count beside gateways")
WHOLE_COOKIE = Code("MT0214", "A cookie is compared together with all others")

# Actions
WEIGHT_OMITTED = Code("MT0301", "A destination without a weight beside others gets nothing")
WEIGHTS_NOT_100 = Code("MT0302", "Weights near 100 that do not add up to it", INFO)
LONE_WEIGHT = Code("MT0303", "The weight of an only destination has no effect")
SAME_DESTINATION_TWICE = Code("MT0304", "One destination stands twice in a split")
FAULT_WITHOUT_PERCENTAGE = Code("MT0311", "A fault without a percentage never happens")
PERCENTAGE_BELOW_ONE = Code("MT0312", "A percentage below 1 is less than one in a hundred")
ABORT_WITHOUT_STATUS = Code("MT0313", "An abort without a status does nothing", istio="IST0133")
RETRIES_OF_FAULTS = Code("MT0314", "Injected aborts are not retried")
DELAY_BEYOND_TIMEOUT = Code("MT0315", "The timeout does not cut an injected delay short")
DEPRECATED_PERCENT = Code("MT0316", "A deprecated field for a percentage", istio="IST0002")
TIMEOUT_CUTS_RETRIES = Code("MT0321", "The timeout ends before all tries have had their time")
TIMED_OUT_TRIES = Code("MT0322", "Tries that time out are not retried")
MIRROR_OFF = Code("MT0331", "A mirror of 0 % sends nothing", INFO)
MIRROR_TO_ITSELF = Code("MT0332", "Requests are mirrored to where they go anyway")
REWRITE_JOINT = Code("MT0341", "The rewritten path has a slash too many or too few")
REWRITE_OF_REGEX = Code("MT0342", "A rewrite replaces the whole path that a regular expression matched")
HOST_SET_TWICE = Code("MT0343", "The host is set in several places")
HEADER_SET_TWICE = Code("MT0344", "A header is changed in two places")
HEADER_WITHOUT_EFFECT = Code("MT0345", "A change of a header without effect")
PREFLIGHTS_NOT_MATCHED = Code("MT0351", "CORS preflights do not match the rule with the CORS policy")
IMPOSSIBLE_ORIGIN = Code("MT0352", "An allowed origin that no browser sends")
ANY_ORIGIN_WITH_CREDENTIALS = Code("MT0353", "Each site may send credentials")
NO_ORIGIN = Code("MT0354", "A CORS policy without origins allows none")
REDIRECT_LOOP = Code("MT0361", "A redirect leads to itself")

# Who sees it
RULES_HIDDEN = Code("MT0401", "exportTo hides a VirtualService from those it is for")
POLICY_HIDDEN = Code("MT0402", "exportTo hides a DestinationRule from the callers")
SERVICE_HIDDEN = Code("MT0403", "exportTo hides a service from its own namespace")
UNKNOWN_NAMESPACE = Code("MT0404", "exportTo names a namespace that does not exist", istio="IST0101")

# DestinationRules
UNKNOWN_POLICY_HOST = Code("MT0501", "A DestinationRule is for a host that no service has", istio="IST0174")
POLICY_NOT_LOOKED_AT = Code("MT0502", "A DestinationRule stands where nobody looks for it")
POLICIES_MERGED = Code("MT0503", "Of two DestinationRules for one host only parts count")
POLICY_REPLACED = Code("MT0504", "A subset or port policy loses settings of the level above")
WILDCARD_REPLACED = Code("MT0505", "A DestinationRule replaces the whole of a wider one")
SUBSET_POLICY_UNUSED = Code("MT0506", "The policy of a subset to which no rule sends traffic")
SUBSET_LABELS = Code("MT0507", "A subset selects the pods of another one")
SETTING_OF_NO_PORT = Code("MT0508", "Settings for a port that the service does not have")
LEGACY_ERRORS = Code("MT0511", "consecutiveErrors is ignored", istio="IST0133")
EJECTION_TAKES_ALL = Code("MT0512", "Ejecting the only pod takes the service down")
EJECTION_NEVER = Code("MT0513", "No pod can be ejected")
PANIC_AT_ONCE = Code("MT0514", "minHealthPercent switches ejection off at the first one")
DETECTION_OFF = Code("MT0515", "A setting of the outlier detection has no effect")
POOL_WITHOUT_EFFECT = Code("MT0521", "A setting of the connection pool has no effect")
TWO_IDLE_TIMEOUTS = Code("MT0522", "Two idle timeouts, of which one counts")
WARMUP_WITHOUT_EFFECT = Code("MT0531", "Warm-up has no effect with this load balancer")
DEPRECATED_BALANCING = Code("MT0532", "A deprecated field of the load balancer", istio="IST0133")
FAILOVER_WITHOUT_DETECTION = Code("MT0533", "Locality failover without outlier detection")
UNKNOWN_REGION = Code("MT0534", "A locality that no node has")
HASH_WITHOUT_EFFECT = Code("MT0535", "A consistent hash over what is not there")
TLS_TO_PLAIN = Code("MT0541", "TLS towards a port that speaks plain text")
DOUBLE_TLS = Code("MT0542", "Traffic that is encrypted already is encrypted again")
NOT_VERIFIED = Code("MT0543", "The server's certificate is not verified", istio="IST0128")
MODES_CONTRADICT = Code("MT0544", "Clients and servers disagree on mutual TLS")
CREDENTIAL_ON_SIDECARS = Code("MT0545", "A credentialName does not count on sidecars")

# Gateways
GATEWAY_SELECTS_NOTHING = Code("MT0601", "A Gateway selects no pod", istio="IST0101")
GATEWAY_PORT_CLOSED = Code("MT0602", "A Gateway's port is not on the Service of its pods", istio="IST0162")
UNKNOWN_CREDENTIAL = Code("MT0603", "A Gateway's certificate is not there", istio="IST0101")
SERVERS_CONFLICT = Code("MT0604", "Two servers disagree about a port or a host", istio="IST0145")
REDIRECT_TO_NOWHERE = Code("MT0605", "A redirect to HTTPS where no server speaks it")
PROTOCOL_AGAINST_PORT = Code("MT0606", "A protocol that is not the one of the port's number")
NOTHING_BEHIND_SERVER = Code("MT0607", "No rule says where a server's connections go")
SERVER_TLS_IGNORED = Code("MT0608", "TLS settings of a server that are ignored", istio="IST0133")
SHARED_CERTIFICATE = Code("MT0609", "Two Gateways share a certificate", istio="IST0138")

# Services
PORT_WITHOUT_PROTOCOL = Code("MT0701", "A Service's port names no protocol", istio="IST0118")
SERVICE_SELECTS_NOTHING = Code("MT0702", "A Service selects no pod")
PROTOCOLS_DISAGREE = Code("MT0703", "Two Services give one port of a pod two protocols", istio="IST0116")
UNKNOWN_TARGET_PORT = Code("MT0704", "A Service's target port is the name of no container port")
USER_OF_SIDECAR = Code("MT0705", "A pod runs as the sidecar's user", istio="IST0144")
ENTRY_WITHOUT_ENDPOINTS = Code("MT0711", "A static ServiceEntry without endpoints")
ENTRY_TAKES_PORT = Code(
    "MT0712", "A TCP port of a ServiceEntry without addresses takes all traffic of its number", istio="IST0134"
)
ENTRY_PROTOCOL = Code("MT0713", "A ServiceEntry's protocol is not the one of the port's number")
ENTRIES_DISAGREE = Code("MT0714", "Two ServiceEntries give one port two protocols", istio="IST0177")
ENTRY_SELECTS_NOTHING = Code("MT0715", "A ServiceEntry selects no workload")
WORKLOAD_UNUSED = Code("MT0716", "A WorkloadEntry that belongs to no service")
ENTRY_SHADOWS_SERVICE = Code("MT0717", "A ServiceEntry for the name of a Kubernetes Service")
RESOLUTIONS_DISAGREE = Code("MT0718", "Two ServiceEntries resolve one host in two ways")
PORTS_SHARE_NAME = Code("MT0719", "Two ServiceEntries give two ports of one host the same name")

# Security
POLICY_SELECTS_NOTHING = Code("MT0801", "A policy selects no workload", istio="IST0127")
MODES_OF_ONE_SCOPE = Code("MT0802", "Two PeerAuthentications of one scope")
MODE_OF_NO_PORT = Code("MT0803", "A port-level mode for a port that the workload does not have")
MODE_UNSET = Code("MT0804", "A PeerAuthentication without a mode has no effect", INFO)
STRICT_SWITCHED_OFF = Code("MT0805", "A PeerAuthentication switches off a stricter one")
METHOD_IMPOSSIBLE = Code("MT0811", "A method that no request has")
PRINCIPAL_IMPOSSIBLE = Code("MT0812", "A principal that no workload has")
VALUE_IMPOSSIBLE = Code("MT0813", "A value with a wildcard that is none")
UNKNOWN_SOURCE_NAMESPACE = Code("MT0814", "A policy names a namespace that does not exist", istio="IST0101")
DENY_ALL_TCP = Code("MT0815", "A DENY rule with HTTP fields denies all TCP", istio="IST0133")
ALLOW_NO_TCP = Code("MT0816", "An ALLOW rule with HTTP fields allows no TCP")
POLICY_PORT = Code("MT0817", "A policy's port is not the one on which the workload listens")
RULE_SPLIT = Code("MT0818", "from and to stand in two rules")
DENY_BEATS_ALLOW = Code("MT0819", "What an ALLOW policy allows, a DENY policy denies")
AUDIT_WITHOUT_RULES = Code("MT0820", "An AUDIT policy without rules has no effect")
TOKEN_UNCHECKED = Code("MT0821", "A policy wants a token that nobody checks")
IDENTITY_WITHOUT_MTLS = Code("MT0822", "A policy wants an identity where there is no mutual TLS")
POLICY_HOST = Code("MT0823", "A policy's host is not one that requests have")
POLICY_WITHOUT_SIDECAR = Code("MT0824", "A policy for pods without a sidecar")
TOKEN_NOT_REQUIRED = Code("MT0831", "Requests without a token pass")
PRIVATE_KEY_PUBLISHED = Code("MT0832", "Keys for checking tokens hold a private key", istio="IST0133")

# The Gateway API
UNKNOWN_PARENT = Code("MT0901", "A route's parent does not exist")
UNKNOWN_LISTENER = Code("MT0902", "A route's listener does not exist")
HOSTNAMES_APART = Code("MT0903", "The hostnames of a route and of its listener do not meet")
ROUTE_NOT_ALLOWED = Code("MT0904", "A listener does not take routes of this namespace or kind")
UNKNOWN_BACKEND = Code("MT0905", "A route's backend does not exist")
BACKEND_NOT_GRANTED = Code("MT0906", "A backend of another namespace without a ReferenceGrant")
WEIGHT_OF_ONE = Code("MT0907", "An omitted weight is 1")
HOSTNAMES_IGNORED = Code("MT0908", "Hostnames do not count on a Service")
SAME_MATCH_TWICE = Code("MT0909", "Two rules of a route want the same requests")
LISTENER_CLOSED = Code("MT0910", "A listener's port is not on the Service of its proxies")
UNKNOWN_CERTIFICATE = Code("MT0911", "A listener's certificate is not there")

# Sidecars and extensions
SIDECARS_CONFLICT = Code("MT1001", "Two Sidecars for one workload", istio="IST0110")
SIDECAR_HIDES = Code("MT1002", "A Sidecar hides a service that its workloads use")
SIDECAR_HOST_MATCHES_NOTHING = Code("MT1003", "A host of a Sidecar's egress that no service has")
SIDECAR_PORT = Code("MT1004", "A Sidecar's egress port is no port of its hosts")
SIDECAR_REDUNDANT = Code("MT1005", "A host of a Sidecar's egress that another one covers", INFO, "IST0133")
PATCH_IGNORED = Code("MT1011", "A patch of an EnvoyFilter is ignored", istio="IST0153")
TELEMETRIES_CONFLICT = Code("MT1012", "Two Telemetries of one scope", istio="IST0160")
INJECTION_CONFLICT = Code("MT1013", "A namespace has two labels for injection", istio="IST0123")
ANNOTATION_MISSPELT = Code("MT1014", "An annotation or label of Istio is misspelt", istio="IST0108")

CODES: dict[str, Code] = {each.name: each for each in globals().copy().values() if isinstance(each, Code)}
