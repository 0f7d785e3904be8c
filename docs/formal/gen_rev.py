#!/usr/bin/env python3
# rev_*: revocation. List n revokes subscriber S and publisher X iff n >= 2. The host chooses, for every message, which authentic list the enclave holds
# (also an older one than before: a restarted enclave), so the enclave's list number is free input. Sessions ideal (kx_*).
T = r'''(* @NAME: @WHAT *)
free c: channel. type key.
fun aead(key, bitstring): bitstring. reduc forall k: key, m: bitstring; open(aead(k,m), k) = m.
fun pk(key, key): key. fun hdr(nat, key): bitstring [data]. fun env(key, nat): bitstring [data].
free GK0, GK1: key [private]. free pay: bitstring [private]. const nogk: key.
event Read(). event FromX(). event StaleE().
query attacker(pay). query event(Read()). query event(StaleE()). query event(FromX()).
let Publisher(up: key) = in(c, pv: nat); @KNOWS           (* pv: newest list the publisher has verified before it first sends *)
  new ck: key; out(c, aead(up, hdr(@MIN, ck))); out(c, aead(pk(ck,@GKP), pay)).
let Enclave(up: key, dn: key, dnS: key) = in(c, (ev: nat, x: bitstring)); let hdr(min, ck) = open(x, up) in
  @ENC ( out(c, aead(dn, env(ck,ev))) | (if ev < 2 then out(c, aead(dnS, env(ck,ev)))) ) @ELSE.
let Sub(dn: key) = in(c, (e: bitstring, s: bitstring)); let env(ck, ev) = open(e, dn) in let p = open(s, pk(ck,@GKP)) in if p = pay then event Read().
(* the revoked publisher X: it owns its session, so its headers are free input; the subscriber has verified list sv >= 2 *)
let EnclaveX(dn: key, ev4: nat) = in(c, (ev: nat, min: nat, ck: key)); if @XREVev >= ev4 then @ENC out(c, aead(dn, env(ck,ev))).
let SubX(dn: key, ev4: nat) = in(c, sv: nat); @SV in(c, e: bitstring); let env(ck, ev) = open(e, dn) in @SUBCHK event FromX().
process
  ( out(c, GK0) | (!new up: key; new dn: key; new dnS: key; (Publisher(up) | out(c, dnS) | !Enclave(up,dn,dnS) | Sub(dn) @BROKEN))
  | (!in(c, (ev4: nat, emin: nat)); @START new dn: key; (EnclaveX(dn,ev4) | SubX(dn,ev4))) )     (* ev4: number in step 4; emin: minimum signed in the endorsement *)
'''
def emit(n,w,**ov):
    d=dict(KNOWS='if pv >= 2 then',MIN='pv',GKP='nogk',ENC='if ev >= min then',ELSE='else event StaleE()',SV='if sv >= 2 then',SUBCHK='',START='',BROKEN='',XREV='ev < 2 && ')
    d.update(ov); s=T.replace('@NAME',n).replace('@WHAT',w)
    for k in sorted(d,key=len,reverse=True): s=s.replace('@'+k,d[k])
    assert '@' not in s,n; open(n+'.pv','w').write(s)
emit('rev_00_text','the protocol: header number and Stale, publisher has verified a list >= 2 (last query: messages of the REVOKED PUBLISHER X, as written: attack)')
emit('rev_01_envnum','the envelope blob carries the number of the list of the enclave; the subscriber refuses one older than its own',SUBCHK='if ev >= sv then')
emit('rev_03_live','same as rev_01 but X is not revoked: its message is accepted (executable)',SUBCHK='if ev >= sv then',XREV='')
emit('rev_02_endmin','minimum number of the endorsement compared with step 4 (enclave monotone in a session), subscriber has no newer list than the endorsement',START='if ev4 >= emin && emin >= 2 then',SV='')
emit('rev_10_w_nostale','WEAK: the enclave ignores the number in the header',ENC='',ELSE='')
emit('rev_11_w_ignorant','LIMIT: the publisher has not verified the list',KNOWS='')
emit('rev_12_gk','number ignored, but the payload is under the next GK epoch',ENC='',ELSE='',GKP='GK1')
emit('rev_13_gk_broken','broken enclave, revoked subscriber with the old GK, next epoch in use',GKP='GK1',BROKEN='| out(c,(up,dn))')
emit('rev_14_gk_old_broken','LIMIT: same, publisher still on the old epoch',GKP='GK0',BROKEN='| out(c,(up,dn))')
