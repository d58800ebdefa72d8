"""Filters of the admin's templates."""

from django import template

from lunatasks.admin_site import formats, meanings

register = template.Library()
register.filter("moment", formats.moment)
register.filter("duration", formats.duration)
register.filter("number", formats.number)
register.filter("short_id", formats.short_id)
register.filter("badge", meanings.badge)
register.filter("similarity", formats.similarity)
