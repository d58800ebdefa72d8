"""A handler at work: an image into events, stored as its policies say."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from uuid import UUID, uuid5

from lunatasks.luna_services import registry
from lunatasks.luna_services.embedded import handler_answers
from lunatasks.luna_services.embedded.exif import ExifInfo, read_exif
from lunatasks.luna_services.embedded.face_models.extractor import (
    LONG_SIDE,
    FaceEstimate,
    FaceExtractor,
    Wanted,
    default_extractor,
)
from lunatasks.luna_services.embedded.handler_drafts import Draft, holds
from lunatasks.luna_services.embedded.handler_matching import Gallery, Match, top_match
from lunatasks.luna_services.embedded.images import decode_photo, encode_jpeg
from lunatasks.luna_services.policies import Conditions, Policies
from lunatasks.luna_services.ports import (
    BadImage,
    Detection,
    HandledEvent,
    ListNotFound,
    NewEvent,
    NewFace,
    NotOffered,
    PortError,
    Rect,
    SourceImage,
)

RAW, FACE_WARP, BODY_WARP = 0, 1, 2
_SEVERAL_REFUSED, _LARGEST_ONLY = 0, 2


class EmbeddedRun:
    """Policies made ready; see the port. `namespace`: of the ids of its events."""

    def __init__(
        self,
        account_id: UUID,
        policies: Policies,
        galleries: Sequence[Gallery],
        handler_id: UUID | None,
        namespace: UUID,
        now: datetime,
    ) -> None:
        self._account_id = account_id
        self._policies = policies
        self._galleries = galleries
        self._handler_id = handler_id
        self._namespace = namespace
        self._now = now
        extract = policies.extract_policy
        self._wanted = Wanted(
            descriptor=bool(extract.extract_face_descriptor),
            attributes=bool(extract.extract_basic_attributes),
            most=1 if policies.detect_policy.multiface_policy == _LARGEST_ONLY else None,
        )

    @cached_property
    def _extractor(self) -> FaceExtractor:
        return default_extractor()

    def process(self, image: SourceImage) -> list[HandledEvent]:
        """See the port."""
        found = self._find(image)
        exif = read_exif(image.data) if image.use_exif_info else ExifInfo()
        # the same bytes read as a photo and as a warp are not the same event
        ids = uuid5(self._namespace, f"{hashlib.sha256(image.data).hexdigest()}:{image.image_type}")
        drafts = [self._draft(image, exif, ids, number, one) for number, one in enumerate(found)]
        return self._store(image, _origin_id(ids), drafts)

    def _find(self, image: SourceImage) -> list[FaceEstimate]:
        if image.image_type == BODY_WARP:
            raise NotOffered("a body model")
        if image.image_type == FACE_WARP:
            return [self._extractor.estimate_warp(image.data, self._wanted)]
        found = self._extractor.estimate(decode_photo(image.data, long_side=LONG_SIDE), self._wanted)
        if len(found) > 1 and self._policies.detect_policy.multiface_policy == _SEVERAL_REFUSED:
            raise BadImage("there is more than one face, and the handler's multiface_policy is 0")
        return found

    # -- one event ---------------------------------------------------------------------------------------

    def _draft(self, image: SourceImage, exif: ExifInfo, ids: UUID, number: int, found: FaceEstimate) -> Draft:
        matches = [] if found.descriptor is None else [gallery.match(found.descriptor) for gallery in self._galleries]
        storage, faces = self._policies.storage_policy, self._policies.storage_policy.face_policy

        def applies(flag: int, conditions: Conditions) -> bool:
            return bool(flag) and holds(conditions, found.attributes, matches)

        stores_face = applies(faces.store_face, faces.filters)
        links = [UUID(rule.list_id) for rule in faces.link_to_lists_policy if applies(int(stores_face), rule.filters)]
        draft = Draft(
            event=self._event(image, exif, uuid5(ids, str(number)), found, matches),
            estimate=found,
            matches=matches,
            links=tuple(dict.fromkeys(links)),
            stores_sample=applies(storage.face_sample_policy.store_sample, storage.face_sample_policy.filters),
            stores_origin=applies(storage.image_origin_policy.store_image, storage.image_origin_policy.filters),
            stores_event=applies(storage.event_policy.store_event, storage.event_policy.filters),
        )
        draft = _with_detection(draft, exif.time, _origin_id(ids))
        return self._with_face(draft) if stores_face else draft

    def _event(
        self, image: SourceImage, exif: ExifInfo, event_id: UUID, found: FaceEstimate, matches: Sequence[Match]
    ) -> NewEvent:
        rules = self._policies.conditional_tags_policy
        tags = [rule.tag for rule in rules if holds(rule.filters, found.attributes, matches)]
        is_placed = image.longitude is not None and image.latitude is not None
        time = image.create_time or exif.time or self._now
        return NewEvent(
            event_id=event_id,
            handler_id=self._handler_id,
            external_id=image.external_id,
            user_data=image.user_data,
            source=image.source,
            track_id=image.track_id,
            create_time=time,
            end_time=time,
            tags=tuple(sorted({*image.tags, *tags})),
            match_result=[match.as_json() for match in matches],
            top_match=top_match(matches),
            city=image.city,
            area=image.area,
            district=image.district,
            street=image.street,
            house_number=image.house_number,
            longitude=image.longitude if is_placed else exif.longitude,
            latitude=image.latitude if is_placed else exif.latitude,
            age=found.attributes.age,
            gender=found.attributes.gender,
            face_descriptors={} if found.descriptor is None else {self._extractor.version: found.descriptor},
        )

    def _with_face(self, draft: Draft) -> Draft:
        event, found = draft.event, draft.estimate
        face_id = uuid5(event.event_id, "face")
        sample_id = uuid5(face_id, "sample")
        has_avatar = draft.stores_sample and self._policies.storage_policy.face_policy.set_sample_as_avatar
        face = NewFace(
            face_id=face_id,
            external_id=event.external_id,
            user_data=event.user_data,
            event_id=event.event_id,
            avatar=f"/6/samples/faces/{sample_id}" if has_avatar else "",
            create_time=self._now,
            attributes=found.attributes,
            descriptors=dict(event.face_descriptors),
            sample=found.sample if draft.stores_sample else None,
            sample_id=sample_id,
        )
        return replace(draft, face=face, event=replace(event, face_id=face_id, attach_result=draft.links))

    # -- storing -----------------------------------------------------------------------------------------

    def _store(self, image: SourceImage, origin_id: UUID, drafts: Sequence[Draft]) -> list[HandledEvent]:
        known = registry.events().existing_ids(self._account_id, [draft.event.event_id for draft in drafts])
        new = [draft for draft in drafts if draft.event.event_id not in known]
        self._require_lists(new)
        self._store_images(image, origin_id, new)
        made: list[UUID] = []
        try:
            for draft in new:
                made += self._store_face(draft)
            stored = registry.events().add_events(
                self._account_id, [draft.event for draft in new if draft.stores_event]
            )
        except PortError:
            if made:  # nothing stays half written
                registry.faces().delete_faces(self._account_id, made)
            raise
        return [_handled(image, draft, is_new=draft.event.event_id in stored) for draft in drafts]

    def _require_lists(self, drafts: Sequence[Draft]) -> None:
        wanted = sorted({list_id for draft in drafts for list_id in draft.links})
        if wanted:
            found = {card.list_id for card in registry.faces().get_lists(self._account_id, wanted)}
            if missing := [list_id for list_id in wanted if list_id not in found]:
                raise ListNotFound(missing[0])

    def _store_images(self, image: SourceImage, origin_id: UUID, drafts: Sequence[Draft]) -> None:
        store, buckets = registry.image_store(), registry.buckets()
        if any(draft.stores_origin for draft in drafts):
            # written afresh: upright as the rectangles are, without metadata or whatever else the file carried
            upright = encode_jpeg(decode_photo(image.data).pixels)
            store.put_image(self._account_id, buckets.image_origins, origin_id, upright)
        for draft in drafts:
            sample_id = draft.event.face_detections[0].sample_id
            if sample_id is not None:
                store.put_image(self._account_id, buckets.face_samples, sample_id, draft.estimate.sample)

    def _store_face(self, draft: Draft) -> list[UUID]:
        if draft.face is None:
            return []
        faces, [*links] = registry.faces(), draft.links
        made = faces.add_faces(self._account_id, [draft.face], list_id=links[0] if links else None)
        for list_id in links[1:]:
            faces.link_faces(self._account_id, list_id, [draft.face.face_id])
        return made


def _handled(image: SourceImage, draft: Draft, *, is_new: bool) -> HandledEvent:
    answer = handler_answers.event_answer(image.filename, draft)
    return HandledEvent(draft.event, answer, is_stored=draft.stores_event, is_new=is_new)


def _origin_id(ids: UUID) -> UUID:
    return uuid5(ids, "origin")


def _with_detection(draft: Draft, time: datetime | None, origin_id: UUID) -> Draft:
    event = draft.event
    detection = Detection(
        sample_id=uuid5(event.event_id, "sample") if draft.stores_sample else None,
        rect=Rect(*draft.estimate.rect),
        detect_time=time or event.create_time,
        image_origin=str(origin_id) if draft.stores_origin else "",
    )
    return replace(draft, event=replace(event, face_detections=(detection,)))
