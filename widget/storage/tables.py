"""All tables, imported in one place so that migrations and tests see all of them."""

from widget.storage.audit import AuditEntry
from widget.storage.catalog import StoredProduct
from widget.storage.connections import Connection
from widget.storage.contacts import Consent, Contact, Suppression
from widget.storage.content import ContentVersion, Publication
from widget.storage.daily_metrics import DailyMetric
from widget.storage.database import Table
from widget.storage.drafts import Draft, DraftChange, DraftReport, ScheduledPublish
from widget.storage.email_events import EmailEvent
from widget.storage.emails import Email
from widget.storage.feeds import Feed
from widget.storage.orders import Order
from widget.storage.outbox import OutboxMessage
from widget.storage.privacy import PrivacyRequest
from widget.storage.rate_limits import RateLimit
from widget.storage.responses import DailyEvent, Response
from widget.storage.shops import Shop
from widget.storage.unmatched_reports import UnmatchedReport
from widget.storage.users import Invitation, Membership, User, UserSession
from widget.storage.webhook_deliveries import WebhookDelivery

TABLES = (
    Shop,
    ContentVersion,
    Publication,
    StoredProduct,
    Feed,
    Response,
    DailyEvent,
    DailyMetric,
    WebhookDelivery,
    Order,
    Contact,
    Consent,
    Suppression,
    Email,
    Connection,
    PrivacyRequest,
    EmailEvent,
    UnmatchedReport,
    RateLimit,
    OutboxMessage,
    User,
    Membership,
    UserSession,
    Invitation,
    AuditEntry,
    Draft,
    DraftChange,
    DraftReport,
    ScheduledPublish,
)

__all__ = ["TABLES", "Table"]
