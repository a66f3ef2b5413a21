"""Record what happened to an email: delivered, bounced, complained, unsubscribed."""
