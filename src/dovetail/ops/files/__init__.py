"""Ops on files and on what files hold: text in columns, bytes, images, sounds.  They run on the host engine."""

from dovetail.ops.files import content, csv, encoded, gif, image, jpeg, json, png, quality, raw, wave, webp
