package cli

import (
	"errors"
	"io/fs"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/quote"
)

// advice says what to do next about err, or nothing where err says it itself.
func advice(err error) string {
	if errors.Is(err, fs.ErrExist) {
		return "nothing was changed: choose another name, or move the old file away first"
	}
	if e, ok := errors.AsType[*usageError](err); ok {
		return e.next
	}
	if _, ok := errors.AsType[*quote.Refusal](err); ok {
		return "" // a refusal carries its own remedy
	}
	if next := adviceOnStatus(err); next != "" {
		return next
	}
	if next := adviceOnEndorsers(err); next != "" {
		return next
	}
	e, ok := errors.AsType[*client.Error](err)
	if !ok {
		return ""
	}
	if errors.Is(err, client.ErrGroupLags) {
		return "have the keeper of the group make an epoch that follows the list: scbr group rotate, or scbr group remove for who was revoked"
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok && e.Kind == client.KindConfig {
		return "check --dir and --as: a client directory holds domain.json, policy.json, NAME.key and NAME.grant (routerd --dev DIR makes one)"
	}
	return adviceFor(e.Kind)
}

// adviceOnEndorsers is about policies and domains that disagree whether there are endorsers.
func adviceOnEndorsers(err error) string {
	switch {
	case errors.Is(err, keyx.ErrPolicyEndorsed):
		return "give the domain an endorser (scbr domain endorser init) and its new domain.json to router and clients, or take endorsement_required out of policy.json"
	case errors.Is(err, keyx.ErrNoEndorsers):
		return "your domain.json names no endorser, and the enclave has the word of one: fetch the domain.json of this router by a path you trust"
	}
	return ""
}

func adviceFor(k client.Kind) string {
	switch k {
	case client.KindStalled:
		return "the path to the enclave is dead, or somebody withholds its answers: what was published last may or may not have been delivered"
	case client.Kind(keyx.KindTooManyRuns):
		return "close other publishers of this grant, or have a grant with a higher quota of runs issued"
	case client.KindTransport:
		return "check that routerd runs and that --addr is its address"
	case client.KindUnavailable, client.KindShuttingDown, client.KindTooManyHalfOpen, client.KindTooManyFromAddress,
		client.KindTooManySessions, client.KindBusy, client.Kind(keyx.KindTooManySessions):
		return "the router cannot serve you now: try again later"
	case client.KindHandshakeTimeout, client.KindCanceled:
		return "check --addr, that routerd is ready, and --timeout"
	case client.KindSlowConsumer:
		return "read faster, or ask for less with a narrower --where"
	case client.Kind(keyx.KindConfigMismatch), client.Kind(keyx.KindBindMismatch), client.Kind(keyx.KindEvidenceRefused):
		return "do not use this router: it runs an enclave of another domain or configuration than your domain.json; if you changed the domain, restart the router and fetch its domain.json by a path you trust"
	case client.Kind(keyx.KindDowngrade), client.Kind(keyx.KindBadVersion), client.Kind(keyx.KindBadSuite):
		return "client and router have no protocol in common, or somebody meddles: install the same release on both sides"
	case client.Kind(keyx.KindWrongDomain), client.Kind(keyx.KindWrongRouter):
		return "check --addr and --router, and that domain.json is that of this router"
	case client.Kind(keyx.KindEPCBudget):
		return "the enclave's memory is full: have the router started with a larger --epc-budget"
	case client.KindIntegrity, client.Kind(keyx.KindIntegrity):
		return "somebody between you and the enclave changes messages: do not trust this path"
	default:
		return adviceOnGrant(keyx.Kind(k))
	}
}

// adviceOnGrant says what to do about what a grant or a revocation list does not allow.
func adviceOnGrant(k keyx.Kind) string {
	switch k {
	case keyx.KindGrantExpired, keyx.KindBadGrant, keyx.KindBadProof:
		return "have the authority of the domain issue a new grant for your key: scbr grant --help"
	case keyx.KindNotEndorsed:
		return "this domain has endorsers, and none of them vouches for this enclave now: have one endorse it (scbr domain endorse), and do not use it otherwise"
	case keyx.KindGrantRevoked:
		return "the authority has taken this grant back: ask it for another one"
	case keyx.KindStale:
		return "router and client have different revocation lists, or one that is too old: have the newest one (scbr revoke) put in force on the router, and give it to this client (--revocation)"
	case keyx.KindBadGroup:
		return "check --group, --group-name and --group-key: the store is what the keeper of the group publishes, and the keeper has to add this member's key first (scbr group add)"
	case keyx.KindBadList:
		return "the revocation list is damaged, or is not one of this domain: fetch it from the authority again"
	case keyx.KindNotAuthorized:
		return "the grant's publish filter does not allow these attributes: change them, or have a wider grant issued (scbr grant --publish)"
	case keyx.KindNotCovered:
		return "the grant's subscribe filter does not cover this --where: narrow it (scbr covers compares filters), or have a wider grant issued (scbr grant --subscribe)"
	case keyx.KindTooFast:
		return "publish more slowly, or have a grant with a higher --max-rate issued: what was refused was not published"
	case keyx.KindHeaderTooLarge:
		return "use fewer or shorter attributes (a payload may be long), or have a grant with a higher --max-header-bytes issued"
	case keyx.KindTooManySubscriptions:
		return "use fewer --where, or have a grant with a higher --max-subscriptions issued"
	default:
		return ""
	}
}
