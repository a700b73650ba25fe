"""
Every exception that Landwaiter raises on purpose, split by whose fault it is.

    LandwaiterError
    ├── InvalidInput (also a ValueError)   whoever wrote the input must mend it
    │   ├── InvalidReference               an image name
    │   ├── InvalidPattern                 a pattern over image names
    │   ├── InvalidManifest                a YAML or JSON file
    │   ├── InvalidPolicy                  a policy document
    │   ├── InvalidExpression              an expression of CEL in a document
    │   ├── InvalidPublicKey               a key that signatures are to be verified with
    │   ├── InvalidIdentity                whom a certificate has to name
    │   ├── InvalidTrust                   a trusted root, or certificates of authorities
    │   ├── InvalidReview                  an AdmissionReview or the object in it
    │   ├── InvalidCertificate             the files that TLS is served with
    │   └── InvalidDockerConfig            the content of a pull secret
    ├── ImageProblem                       the image or its repository: a refusal
    │   ├── ContentMissing                 404
    │   ├── AccessDenied                   401 and 403, with every credential there is
    │   │   ├── LoginRefused               401 to a user name and password
    │   │   └── TokenRefused               403 of a token service to a credential
    │   └── ContentMalformed               not what it claims to be, or over a limit
    └── Unavailable                        nobody's input: the answer is undecided
        ├── RegistryUnavailable            5xx, 429, network, TLS
        ├── CredentialsUnavailable         a program that gives credentials
        │   └── CredentialsLate            it was ended at its limit
        ├── ClusterUnavailable             the Kubernetes API
        │   └── ClusterConflict            somebody else has written the object meanwhile
        ├── ExpressionsUnavailable         the process that evaluates expressions
        ├── CosignUnavailable              cosign missing, killed, over our limits
        └── DeadlineExceeded               the work goes on, ask again

An `ImageProblem` is a refusal and not a fault, because whoever may push to a repository can
cause one; were it undecided, `failurePolicy: Ignore` could be turned into a pass.
"""


class LandwaiterError(Exception):
    """The root of the tree; `str()` is one sentence for people and holds no secret."""


class InvalidInput(LandwaiterError, ValueError):
    """Something written by a person does not have the form it should have."""


class InvalidReference(InvalidInput):
    """
    An image name does not parse.

    `part` names what is wrong with it: "registry", "repository", "tag", "digest" or "name".
    """

    def __init__(self, message: str, *, part: str) -> None:
        super().__init__(message)
        self.part = part


class InvalidPattern(InvalidInput):
    """A pattern over image names does not parse."""


class InvalidManifest(InvalidInput):
    """A YAML or JSON file does not parse; the message names file and line, and quotes no value."""


class InvalidPolicy(InvalidInput):
    """A policy document does not load; the message names file, line, field, seen and wanted."""


class InvalidExpression(InvalidInput):
    """An expression does not compile; the message says where, what is seen and what is wanted."""


class InvalidPublicKey(InvalidInput):
    """Not one public key of a kind that cosign verifies with; the message never quotes it."""


class InvalidIdentity(InvalidInput):
    """Not the name of a certificate, or not an expression that cosign would understand."""


class InvalidTrust(InvalidInput):
    """Not a Sigstore trusted root, or not certificates of authorities."""


class InvalidReview(InvalidInput):
    """An AdmissionReview, or the object inside it, cannot be read."""


class InvalidCertificate(InvalidInput):
    """Certificate, key or client CA files cannot be used; the message never quotes them."""


class InvalidDockerConfig(InvalidInput):
    """The content of a pull secret cannot be used; the message never quotes the content."""


class ImageProblem(LandwaiterError):
    """The image, or what its repository holds beside it, is not acceptable."""


class ContentMissing(ImageProblem):
    """The registry says that there is no such content."""


class AccessDenied(ImageProblem):
    """The registry refuses to show the content with every credential that may be tried."""


class LoginRefused(AccessDenied):
    """A registry or its token service does not accept a user name and password."""


class TokenRefused(AccessDenied):
    """A token service knows a user, and gives out no token for what is asked for."""


class ContentMalformed(ImageProblem):
    """The content has another digest, another form or a larger size than is accepted."""


class Unavailable(LandwaiterError):
    """Something outside the image could not be reached or did not work."""


class RegistryUnavailable(Unavailable):
    """A registry answered 5xx or 429, or could not be reached."""


class CredentialsUnavailable(Unavailable):
    """A program of the install gave no credentials; the message never quotes what it printed."""


class CredentialsLate(CredentialsUnavailable):
    """A program of the install took longer than it may, and was ended."""


class ClusterUnavailable(Unavailable):
    """The Kubernetes API could not be asked."""


class ClusterConflict(ClusterUnavailable):
    """An object exists already, or is not in the version any more that was to be replaced."""


class ExpressionsUnavailable(Unavailable):
    """The process that evaluates expressions cannot be started."""


class TrustUnavailable(Unavailable):
    """What is trusted could not be read from where it is distributed, or is too old."""


class CosignUnavailable(Unavailable):
    """The cosign program is missing, was killed, or broke one of our limits."""


class DeadlineExceeded(Unavailable):
    """The request's deadline has passed; what was begun goes on and may be asked for again."""
