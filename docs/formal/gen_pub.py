#!/usr/bin/env python3
# pub_*: publication to delivery with insiders. The session layer is ideal (fresh keys per session and direction); kx_* justifies it.
T = r'''(* @NAME: @WHAT *)
free c: channel. free match: channel [private].          (* match: inside the enclave *)
type key. type name. type attr. type nonce. type num. type salt.
fun aead(key, bitstring, bitstring): bitstring.          (* session AEAD: key, associated data, text *)
reduc forall k: key, a: bitstring, m: bitstring; open(aead(k,a,m), k, a) = m.
fun pseal(key, bitstring): bitstring. @TWOFUN
@POPEN
fun ctr(key, nonce, num): key.                           (* CK = AES-CTR under kCK at (run id, counter) *)
fun slt(key, nonce, num): salt. const s0: salt.          (* salt of the attribute hash, from the same stream *)
fun pk(key, key, bitstring): key.                        (* payload key from CK, GK, ids *)
fun com(bitstring, key, bitstring): bitstring. fun com0(bitstring): bitstring. fun ha(salt, attr): bitstring.
fun ids(name, nonce, num): bitstring [data].             (* publisher, (run id, counter); domain and GK epoch constant *)
fun hdrd(attr, bitstring, name, nonce, num): bitstring [data].             (* header, CK derived *)
fun hdrx(attr, bitstring, name, nonce, num, key, salt): bitstring [data].  (* header of a resend, CK explicit *)
fun body(attr, salt, bitstring): bitstring [data].
fun env(key, name, nonce, num, bitstring, bitstring): bitstring [data].    (* CK, publisher, run, counter, c, H(attributes) *)
fun ad(bitstring, nonce, num): bitstring [data].
const toE, toC: bitstring. const c0, c1, c2: num. const i0, i1, i2: num. const P1: name. const cold: attr. const nogk: key.
free GK: key [private]. free hot: attr [private]. free pay: bitstring [private].
event Publish(name,nonce,num,attr,bitstring). event Auth(name,name,nonce,num,attr). event Handled(name,name,nonce,num,nonce).
event Deliver(name,name,name,nonce,num,attr,bitstring,nonce). event First(name,name,nonce,num,nonce).
event Sent(nonce,num,name,nonce,num). event Got(nonce,num,name,nonce,num). event Reach(). event ReachX().
@QUERIES
(* --- honest publisher: one run id, two sessions (kC2E, kCK each), two headers per blob, resend of the second after the reconnect *)
let Publisher(P: name, r: nonce, a0: attr, a1: attr, m0: bitstring, m1: bitstring, up: key, kck: key, sid: nonce, up2: key, sid2: nonce) =
  let ck0 = ctr(kck,r,i0) in let ck1 = ctr(kck,r,i1) in let z0 = @SALT0 in let z1 = @SALT1 in
  let k0 = @PK(ck0,ids(P,r,i0)) in let k1 = @PK(ck1,ids(P,r,i1)) in
  let p0 = pseal(k0, body(a0,z0,m0)) in let p1 = pseal(k1, body(a1,z1,m1)) in
  event Publish(P,r,i0,a0,m0); event Publish(P,r,i1,a1,m1);
  let e1 = @COM(ids(P,r,i1),ck1,k1,p1) in
  out(c, (p0,p1)); out(c, aead(up, ad(toE,sid,c0), (hdrd(a0,@COM(ids(P,r,i0),ck0,k0,p0),P,r,i0), hdrd(a1,e1,P,r,i1))));
  out(c, aead(up2, ad(toE,sid2,c0), (hdrx(a1,e1,P,r,i1,ck1,z1), hdrx(a1,e1,P,r,i1,ck1,z1)))).
let Route(inst: name, P: name, kck: key, h: bitstring) =
  let hdrd(a,cm,pn,r,i) = h in (let Q = @WHO in new n: nonce; @HANDLED event Auth(inst,Q,r,i,a); !out(match, (inst,a,Q,r,i,ctr(kck,r,i),cm,@ESALTD)))
  else let hdrx(a,cm,pn,r,i,ck,z) = h in (let Q = @WHO in new n: nonce; @HANDLED event ReachX(); event Auth(inst,Q,r,i,a); !out(match, (inst,a,Q,r,i,ck,cm,z))).
let EncPub(inst: name, P: name, up: key, kck: key, sid: nonce) =
  in(c, x: bitstring); let (h0: bitstring, h1: bitstring) = open(x, up, ad(toE,sid,c0)) in (Route(inst,P,kck,h0) | Route(inst,P,kck,h1)).
let EncSub(inst: name, dn: key, sid: nonce, f: attr, n: num) =
  in(match, (=inst,@FM0,P0: name,r0: nonce,j0: num,ck0: key,cm0: bitstring,z0: salt)); in(match, (=inst,@FM1,P1_: name,r1: nonce,j1: num,ck1: key,cm1: bitstring,z1: salt));
  event Sent(sid,n,P0,r0,j0); event Sent(sid,n,P1_,r1,j1);
  out(c, aead(dn, ad(toC,sid,n), (env(ck0,P0,r0,j0,cm0,ha(z0,@HA0)), env(ck1,P1_,r1,j1,cm1,ha(z1,@HA1))))).
let Acc(inst: name, S: name, sid: nonce, n: num, gk: key, e: bitstring, s: bitstring) =
  let env(ck,P,r,j,cm,hat) = e in let k = @PKS in @CHKC
  let body(a,z,m) = popen(s,k) in if hat = ha(z,a) then new w: nonce; @DEDUP
  event Deliver(inst,S,P,r,j,a,m,w); event Got(sid,n,P,r,j); event Reach().
let Sub(inst: name, S: name, dn: key, sid: nonce, n: num) =
  @SUBGK in(c, (x: bitstring, s0_: bitstring, s1_: bitstring)); let (e0: bitstring, e1: bitstring) = open(x, dn, ad(toC,sid,n)) in
  (Acc(inst,S,sid,n,gk,e0,s0_) | Acc(inst,S,sid,n,gk,e1,s1_)).
process
  ( (!in(c, (ia: name, ib: name)); @PUBIN new r: nonce; new up: key; new kck: key; new sid: nonce; new up2: key; new kck2: key; new sid2: nonce;
      (Publisher(P1,r,a0,a1,m0,m1,up,kck,sid,up2,sid2) | EncPub(ia,P1,up,kck,sid) | EncPub(ib,P1,up2,kck2,sid2) @LEAKUP))
  | (!new S: name; !in(c, inst: name); new dn: key; new sid: nonce; (EncSub(inst,dn,sid,@FHON,c0) | EncSub(inst,dn,sid,@FHON,c1) | Sub(inst,S,dn,sid,c0) | Sub(inst,S,dn,sid,c1) @LEAKDN))
  @MORE )
'''
V8='i,s,p: name, r: nonce, j: num, a: attr, m: bitstring, w: nonce'
QA='query '+V8+'; event(Deliver(i,s,P1,r,j,a,m,w)) ==> event(Publish(P1,r,j,a,m)).'
QH='query '+V8+'; event(Deliver(i,s,p,r,j,a,m,w)) ==> event(Auth(i,p,r,j,a)).'
QE='query '+V8+', i2,s2: name, a2: attr, m2: bitstring, w2: nonce; event(Deliver(i,s,P1,r,j,a,m,w)) && event(Deliver(i2,s2,P1,r,j,a2,m2,w2)) ==> a = a2 && m = m2.'
QE1='query '+V8+', s2: name, a2: attr, m2: bitstring, w2: nonce; event(Deliver(i,s,p,r,j,a,m,w)) && event(Deliver(i,s2,p,r,j,a2,m2,w2)) ==> a = a2 && m = m2.'
QE2='const mA, mB: bitstring. query '+V8.replace(', m: bitstring','')+', i2,s2: name, w2: nonce; event(Deliver(i,s,p,r,j,a,mA,w)) && event(Deliver(i2,s2,p,r,j,a,mB,w2)).'
QE2S='const mA, mB: bitstring. query '+V8.replace(', m: bitstring','')+', s2: name, w2: nonce; event(Deliver(i,s,p,r,j,a,mA,w)) && event(Deliver(i,s2,p,r,j,a,mB,w2)).'
QO='query '+V8+', i2: name, a2: attr, m2: bitstring, w2: nonce; event(Deliver(i,s,P1,r,j,a,m,w)) && event(Deliver(i2,s,P1,r,j,a2,m2,w2)) ==> w = w2.'
QOX='query '+V8+', i2: name, a2: attr, m2: bitstring, w2: nonce; event(Deliver(i,s,p,r,j,a,m,w)) && event(Deliver(i2,s,p,r,j,a2,m2,w2)) ==> w = w2.'
QI='query x: nonce, n: num, p: name, r: nonce, j: num; inj-event(Got(x,n,p,r,j)) ==> inj-event(Sent(x,n,p,r,j)).'
QR='query event(Reach()).'; QRX=QR+' query event(ReachX()).'
RH='restriction i,p: name, r: nonce, j: num, n,n2: nonce; event(Handled(i,p,r,j,n)) && event(Handled(i,p,r,j,n2)) ==> n = n2.'
RF='restriction s,p: name, r: nonce, j: num, n,n2: nonce; event(First(s,p,r,j,n)) && event(First(s,p,r,j,n2)) ==> n = n2.'
CORS='| out(c,GK) | (!in(c, inst: name); new dn: key; new sid: nonce; (out(c,(dn,sid)) | EncSub(inst,dn,sid,cold,c0)))'
CORP='| out(c,GK) | (!new P: name; out(c,P); !in(c, inst: name); new up: key; new kck: key; new sid: nonce; (out(c,(up,kck,sid)) | EncPub(inst,P,up,kck,sid)))'
TWO=dict(TWOFUN='fun two(key, bitstring, key, bitstring): bitstring.   (* the payload AEAD does not commit to its key *)',
 POPEN='''fun popen(bitstring, key): bitstring reduc forall k: key, m: bitstring; popen(pseal(k,m),k) = m
  otherwise forall k1: key, m1: bitstring, k2: key, m2: bitstring; popen(two(k1,m1,k2,m2),k1) = m1
  otherwise forall k1: key, m1: bitstring, k2: key, m2: bitstring; popen(two(k1,m1,k2,m2),k2) = m2.''')
ONE=dict(TWOFUN='',POPEN='reduc forall k: key, m: bitstring; popen(pseal(k,m),k) = m.')
COMK=lambda i,ck,k,p: 'com(%s,%s,%s)'%(i,k,p)
COMCK=lambda i,ck,k,p: 'com(%s,%s,%s)'%(i,ck,p)
COM0=lambda i,ck,k,p: 'com0((%s,%s))'%(i,p)
import re
def emit(n,w,ov):
    d=dict(QUERIES='',PUBIN='in(c, (a0: attr, a1: attr)); new m0: bitstring; new m1: bitstring;',WHO='P',HANDLED='event Handled(inst,Q,r,i,n);',DEDUP='event First(S,P,r,j,w);',
      FM0='b0: attr',FM1='b1: attr',HA0='b0',HA1='b1',FHON='cold',SUBGK='let gk = GK in',LEAKUP='',LEAKDN='',MORE='',GK=True,COMF=COMK,CHECKC=True,SALT=True,**TWO)
    d.update(ov); s=T.replace('@NAME',n).replace('@WHAT',w)
    d['SALT0']='slt(kck,r,i0)' if d['SALT'] else 's0'; d['SALT1']='slt(kck,r,i1)' if d['SALT'] else 's0'; d['ESALTD']='slt(kck,r,i)' if d['SALT'] else 's0'
    if not d['SALT']: s=s.replace('ha(z,','ha(s0,').replace('ha(z0,','ha(s0,').replace('ha(z1,','ha(s0,')
    s=re.sub(r'@PK\((\w+),(ids\([^)]*\))\)', (lambda m: 'pk(%s,GK,toE)'%m.group(1)) if d['GK']=='noids' else (lambda m: 'pk(%s,GK,%s)'%m.groups()) if d['GK'] else (lambda m: m.group(1)), s)
    s=re.sub(r'@COM\((ids\([^)]*\)),(\w+),(\w+),(\w+)\)', lambda m: d['COMF'](*m.groups()), s)
    d['PKS']='pk(ck,gk,toE)' if d['GK']=='noids' else 'pk(ck,gk,ids(P,r,j))' if d['GK'] else 'ck'; gkmode=d['GK']
    if gkmode=='noids': del d['GK']
    if gkmode is False: d['SUBGK']='let gk = nogk in'
    d['CHKC']=('if cm = '+d['COMF']('ids(P,r,j)','ck','k','s')+' then') if d['CHECKC'] else ''
    for k in sorted((k for k in d if isinstance(d[k],str)),key=len,reverse=True): s=s.replace('@'+k,d[k])
    assert '@' not in s,(n,s[s.index('@'):][:40]); open(n+'.pv','w').write(s)
INS=CORS+CORP
AUTH='\n'.join([QA,QH,QE,QI,QRX])
emit('pub_00_insiders_gk','the protocol, GK used; corrupt matched subscribers (with GK) and corrupt publishers; reachable',dict(QUERIES=AUTH,MORE=INS))
emit('pub_01_insiders_nogk','same, GK not used',dict(QUERIES=AUTH,MORE=INS,GK=False))
emit('pub_04_once','a subscriber remembers (publisher, sequence): delivered at most once, also after resend and enclave restart',dict(QUERIES=RF+'\n'+QOX+'\n'+QR,MORE=INS))
P2='''const P2: name.
'''
H2='| (!in(c, (ia: name, ib: name)); in(c, (a0: attr, a1: attr)); new m0: bitstring; new m1: bitstring; new r: nonce; new up: key; new kck: key; new sid: nonce; new up2: key; new kck2: key; new sid2: nonce; (Publisher(P2,r,a0,a1,m0,m1,up,kck,sid,up2,sid2) | out(c,(up,kck,sid,up2,kck2,sid2))))'
QP='query '+V8+'; event(Deliver(i,s,p,r,j,a,m,w)) ==> event(Publish(p,r,j,a,m)).'
BRK=dict(LEAKUP='| out(c,(up,kck,sid,up2,kck2,sid2))',LEAKDN='| out(c,(dn,sid))')
emit('pub_05_broken_gk','enclave broken (all session keys known), GK used by honest members only, two honest publishers',dict(QUERIES=P2+'\n'.join([QP,QE,QR]),MORE=H2,**BRK))
emit('pub_06_text_gk','as pub_00 with the attribute hash unsalted',dict(QUERIES=AUTH,MORE=INS,SALT=False))
emit('pub_07_text_nogk','as pub_01 with the attribute hash unsalted',dict(QUERIES=AUTH,MORE=INS,SALT=False,GK=False))
emit('pub_08_ids_in_c','ids in c only, not in the payload key; enclave broken, GK used',dict(QUERIES=P2+QP+'\n'+QR,MORE=H2,GK='noids',**BRK))
emit('pub_19_w_noids','WEAK: ids neither in the payload key nor in c; enclave broken, GK used: misattribution',dict(QUERIES=P2+QP,MORE=H2,GK='noids',COMF=lambda i,ck,k,p: 'com(toE,%s,%s)'%(k,p),**BRK))
emit('pub_10_w_nocheck','WEAK: the subscriber does not compare c',dict(QUERIES=QA,MORE=INS,CHECKC=False))
emit('pub_15_w_nodedup','WEAK: the subscriber does not drop duplicates',dict(QUERIES=QO,DEDUP=''))
emit('pub_16_w_name','WEAK: publisher name from the header instead of the session grant',dict(QUERIES=QA,MORE=INS,WHO='pn'))
emit('pub_17_w_broken_nogk','enclave broken, GK not used: forgery',dict(QUERIES=QA,GK=False,LEAKUP='| out(c,(up,kck,sid,up2,kck2,sid2))',LEAKDN='| out(c,(dn,sid))'))
emit('pub_18_w_broken_member','enclave broken and one group member corrupt: forgery',dict(QUERIES=QA,MORE='| out(c,GK)',LEAKUP='| out(c,(up,kck,sid,up2,kck2,sid2))',LEAKDN='| out(c,(dn,sid))'))
# ---- who can read a payload: one publication is hot/pay; a filter is one attribute value
SEC=dict(PUBIN='let a0 = hot in let a1 = hot in let m0 = pay in let m1 = pay in',FM0='=f',FM1='=f',HA0='f',HA1='f',FHON='hot',QUERIES='query attacker(pay). query attacker(hot).\n'+QR,**ONE)
OUTF='| (!in(c, inst: name); new dn: key; new sid: nonce; (out(c,(dn,sid)) | EncSub(inst,dn,sid,cold,c0)))'
INF=OUTF.replace('cold','hot')
CP=CORP.replace('| out(c,GK)','',1)
BR=dict(LEAKUP='| out(c,(up,kck,sid,up2,kck2,sid2))',LEAKDN='| out(c,(dn,sid))')
def sec(n,w,**ov): emit(n,w,{**SEC,**ov})
sec('read_00_host','host alone, with corrupt publishers outside the group',MORE=CP)
sec('read_01_host_nogk','same, GK not used',MORE=CP,GK=False)
sec('read_02_matched_group','matched subscriber in the group (must read)',MORE=INF+' | out(c,GK)')
sec('read_03_matched_nogroup','matched by filter, not in the group, with the host',MORE=INF+CP)
sec('read_04_group_unmatched','in the group, filter did not match, with the host',MORE=OUTF+' | out(c,GK)'+CP)
sec('read_05_unmatched_nogk','GK not used: unmatched subscriber with the host',MORE=OUTF+CP,GK=False)
sec('read_06_broken_gk','broken enclave with the host, GK used',**BR)
sec('read_07_broken_nogk','broken enclave with the host, GK not used',GK=False,**BR)
sec('read_08_broken_member','broken enclave, host, one group member',MORE='| out(c,GK)',**BR)
sec('read_09_pooling','NEW ROW: one matched subscriber outside the group and one unmatched group member together, with the host',MORE=INF+OUTF+' | out(c,GK)')
sec('read_13_other_publication','group member matched for one publication of the session, not for the other: the other payload',MORE=OUTF+' | out(c,GK)',**{'PUBIN':'let a0 = cold in let a1 = hot in let m0 = toE in let m1 = pay in'})
sec('read_14_other_publication_nogk','same, GK not used',MORE=OUTF,GK=False,**{'PUBIN':'let a0 = cold in let a1 = hot in let m0 = toE in let m1 = pay in'})
G=dict(FM0='b0: attr',FM1='b1: attr',HA0='b0',HA1='b1')
sec('read_10_guess_nosalt','unsalted hash: matched by filter, not in the group: guessing the attributes against H(attributes)',MORE=OUTF,SALT=False,**{**G,'QUERIES':'weaksecret hot.'})
sec('read_11_guess_salt','same, attribute hash salted (salt in the header and inside the sealed payload)',MORE=OUTF,**{**G,'QUERIES':'weaksecret hot.'})
sec('read_12_guess_pay','broken enclave, GK used, guessable payload: c cannot be used to test guesses',**{**BR,'QUERIES':'weaksecret pay.'})

# ---- equivocation by a corrupt publisher (who may also run the key tree): it owns its session, so its headers are free input
EQ = r"""(* @NAME: @WHAT *)
free c: channel. type key. type name. type attr. type nonce. type num. type salt.
fun aead(key, bitstring): bitstring. reduc forall k: key, m: bitstring; open(aead(k,m), k) = m.
fun pseal(key, bitstring): bitstring. fun two(key, bitstring, key, bitstring): bitstring.   (* the payload AEAD does not commit to its key *)
fun popen(bitstring, key): bitstring reduc forall k: key, m: bitstring; popen(pseal(k,m),k) = m
  otherwise forall k1: key, m1: bitstring, k2: key, m2: bitstring; popen(two(k1,m1,k2,m2),k1) = m1
  otherwise forall k1: key, m1: bitstring, k2: key, m2: bitstring; popen(two(k1,m1,k2,m2),k2) = m2.
fun pk(key, key, bitstring): key. fun com(bitstring, key, bitstring): bitstring. fun com0(bitstring): bitstring. fun ha(salt, attr): bitstring.
fun ids(name, nonce, num): bitstring [data]. fun body(attr, salt, bitstring): bitstring [data].
fun env(key, name, nonce, num, bitstring, bitstring): bitstring [data].
fun dn(name, name, nonce): key [private].                (* delivery key of (instance, subscriber, session) *)
event Handled(name,name,nonce,num,nonce). event HandledC(name,name,nonce,num,bitstring).
event Deliver(name,name,name,nonce,num,attr,bitstring). event Reach().
@QUERIES
process
  ( (!in(c, (inst: name, P: name, a: attr, cm: bitstring, r: nonce, j: num, ck: key, z: salt)); new n: nonce; event Handled(inst,P,r,j,n); event HandledC(inst,P,r,j,cm);
      !in(c, (S: name, sid: nonce)); out(c, aead(dn(inst,S,sid), env(ck,P,r,j,cm,ha(z,a)))))
  | (!in(c, (inst: name, S: name, sid: nonce, gk: key, x: bitstring, s: bitstring)); let env(ck,P,r,j,cm,hat) = open(x, dn(inst,S,sid)) in
      let k = @PKS in if cm = @COMS then let body(a,z,m) = popen(s,k) in if hat = ha(z,a) then event Deliver(inst,S,P,r,j,a,m); event Reach()) )
"""
VE='i,s,s2,p: name, r: nonce, j: num, a,a2: attr, m,m2: bitstring'
QQ='query '+VE+'; event(Deliver(i,s,p,r,j,a,m)) && event(Deliver(i,s2,p,r,j,a2,m2)) ==> a = a2 && m = m2.'
RC='restriction i,p: name, r: nonce, j: num, x,y: bitstring; event(HandledC(i,p,r,j,x)) && event(HandledC(i,p,r,j,y)) ==> x = y.'
QX='const mA, mB: bitstring. query i,i2,s,s2,p: name, r: nonce, j: num, a,a2: attr; event(Deliver(i,s,p,r,j,a,mA)) && event(Deliver(i2,s2,p,r,j,a2,mB)).'
QS='const mA, mB: bitstring. query i,s,s2,p: name, r: nonce, j: num, a,a2: attr; event(Deliver(i,s,p,r,j,a,mA)) && event(Deliver(i,s2,p,r,j,a2,mB)).'
def eq(n,w,q,pks='pk(ck,gk,ids(P,r,j))',coms='com(ids(P,r,j),k,s)'):
    s=EQ.replace('@NAME',n).replace('@WHAT',w).replace('@QUERIES',q).replace('@PKS',pks).replace('@COMS',coms); open(n+'.pv','w').write(s)
eq('equiv_00_gk','corrupt publisher, GK of every subscriber chosen by the attacker; one instance handles a sequence once',RH+'\n'+QQ+'\n'+QR)
eq('equiv_01_nogk','same, GK not used',RH+'\n'+QQ+'\n'+QR,pks='ck')
eq('equiv_10_w_c_nokey','WEAK: c does not cover the key',RH+'\n'+QS,coms='com0((ids(P,r,j),s))')
eq('equiv_11_w_c_ck','WEAK (performance.md, lever 3): c over CK instead of the payload key, GK from a corrupt publisher',RH+'\n'+QS,coms='com(ids(P,r,j),ck,s)')
eq('equiv_12_w_ck_nogk','same formula, GK not used (there CK is the payload key)',RH+'\n'+QQ,pks='ck',coms='com(ids(P,r,j),ck,s)')
eq('equiv_13_w_nohandled','WEAK: an enclave that takes a second header for one sequence (a resend not compared)',QS)
eq('equiv_14_restart','LIMIT: across two enclave instances (memory of handled sequences is lost)',RH+'\n'+QX)
eq('equiv_02_samec','alternative: an instance takes a resend again, only with the same c',RC+'\n'+QQ+'\n'+QR)
