// The player: every version of a clip runs in one many-channelled buffer from one source node, and switching changes
// gains alone. So nothing can drift, and no switch has a gap or a repeat.
(function (uncodec) {
  "use strict";

  const EDGE = 0.005; // seconds over which a start or a stop is faded, against clicks
  const LEAD = 512; // samples ahead of the clock: what is asked for then is not late yet when it is computed

  function toGain(db) {
    return Math.pow(10, db / 20);
  }

  // One buffer that holds `sounds` (AudioBuffers of one rate), channel after channel.
  function pack(sounds) {
    const channels = Math.max(...sounds.map((sound) => sound.numberOfChannels));
    const length = Math.min(...sounds.map((sound) => sound.length));
    const buffer = new AudioBuffer({
      numberOfChannels: channels * sounds.length, length: length, sampleRate: sounds[0].sampleRate,
    });
    sounds.forEach((sound, index) => {
      for (let channel = 0; channel < channels; channel += 1) {
        const from = sound.getChannelData(Math.min(channel, sound.numberOfChannels - 1));
        buffer.copyToChannel(from.subarray(0, length), index * channels + channel);
      }
    });
    return { buffer: buffer, channels: channels, versions: sounds.length };
  }

  // From a time on a parameter goes another way. Cancelling takes a ramp away as a whole: its first part is put back.
  function bend(parameter, value, at, ramping) {
    parameter.cancelScheduledValues(at);
    if (ramping) parameter.linearRampToValueAtTime(value, at);
    else parameter.setValueAtTime(value, at);
  }

  class Player {
    // `context` is a real AudioContext, or an OfflineAudioContext, which runs the same code against its clock.
    constructor(context, packed) {
      this.context = context;
      this.packed = packed;
      this.fade = 0.005;
      this.looping = true;
      this.loopStart = 0;
      this.loopEnd = packed.buffer.duration;
      this.place = 0; // seconds, where it stands while it does not play
      this.run = null;
      this.onEnd = null;
      this.mix = new Array(packed.versions).fill(0);
      this.before = this.mix;
      this.changed = 0;
      this.lastFade = 0;
      this.splitter = context.createChannelSplitter(packed.channels * packed.versions);
      this.volume = context.createGain();
      this.volume.connect(context.destination);
      this.gains = this.mix.map((_, version) => {
        const merger = context.createChannelMerger(packed.channels);
        for (let channel = 0; channel < packed.channels; channel += 1) {
          this.splitter.connect(merger, version * packed.channels + channel, channel);
        }
        const gain = context.createGain();
        gain.gain.value = 0;
        merger.connect(gain);
        gain.connect(this.volume);
        return gain;
      });
    }

    // When what is asked for now is heard: a whole sample, so that nothing is interpolated.
    soon() {
      return this.context.currentTime + LEAD / this.context.sampleRate;
    }

    whole(seconds) {
      const rate = this.packed.buffer.sampleRate;
      return Math.round(seconds * rate) / rate;
    }

    // What is heard from now on: a gain for each version. Negative ones make differences.
    setMix(mix) {
      // Half a sample early: a change takes hold with the next whole one, whichever way its time is rounded.
      const at = this.soon() - 0.5 / this.context.sampleRate;
      const done = this.lastFade > 0 ? Math.min(1, Math.max(0, (at - this.changed) / this.lastFade)) : 1;
      const from = this.mix.map((target, version) => this.before[version] + (target - this.before[version]) * done);
      this.gains.forEach((node, version) => {
        bend(node.gain, from[version], at, done > 0 && done < 1);
        if (this.fade > 0) node.gain.linearRampToValueAtTime(mix[version], at + this.fade);
        else node.gain.setValueAtTime(mix[version], at);
      });
      this.before = from;
      this.mix = mix.slice();
      this.changed = at;
      this.lastFade = this.fade;
    }

    setVolume(db) {
      this.volume.gain.setTargetAtTime(toGain(db), this.context.currentTime, 0.01);
    }

    get playing() {
      return this.run !== null;
    }

    play() {
      if (!this.run) this.start(this.place);
    }

    pause() {
      if (!this.run) return;
      this.place = this.position(this.soon());
      this.stop();
    }

    seek(seconds) {
      const place = Math.min(Math.max(0, seconds), this.packed.buffer.duration);
      if (!this.run) {
        this.place = place;
        return;
      }
      this.stop();
      this.start(place);
    }

    setLoop(looping, start, end) {
      const place = this.position(this.soon());
      this.looping = looping;
      this.loopStart = this.whole(start);
      this.loopEnd = this.whole(end);
      if (!this.run) return;
      // Both run for the length of a fade, and on the same sample where the loop still holds it.
      this.stop();
      this.start(place);
    }

    // Other sounds of the same shape, from the same place on: both run for the length of a fade.
    replace(packed) {
      const playing = this.playing;
      const place = this.position(this.soon());
      if (playing) this.stop();
      this.packed = packed;
      if (playing) this.start(place);
    }

    // Seconds into the clip of what is computed at a time of the context's clock, by default now.
    position(time) {
      if (!this.run) return this.place;
      const now = time === undefined ? this.context.currentTime : time;
      const { offset, begun, looping, start, end } = this.run;
      const at = offset + Math.max(0, now - begun);
      if (!looping) return Math.min(at, this.packed.buffer.duration);
      return at < end ? at : start + (at - end) % (end - start);
    }

    start(place) {
      const context = this.context;
      const end = this.looping ? this.loopEnd : this.packed.buffer.duration;
      let offset = this.whole(place);
      if (this.looping && (offset < this.loopStart || offset >= end)) offset = this.loopStart;
      if (!this.looping && offset >= end) offset = 0;
      const source = context.createBufferSource();
      source.buffer = this.packed.buffer;
      source.loop = this.looping;
      source.loopStart = this.loopStart;
      source.loopEnd = end;
      const edge = context.createGain();
      const at = this.soon();
      edge.gain.setValueAtTime(0, at);
      edge.gain.linearRampToValueAtTime(1, at + EDGE);
      source.connect(edge);
      edge.connect(this.splitter);
      source.start(at, offset);
      const run = { source: source, edge: edge, begun: at, offset: offset, start: this.loopStart, end: end,
        looping: this.looping };
      source.onended = () => {
        edge.disconnect();
        if (this.run !== run) return;
        this.run = null;
        this.place = 0;
        if (this.onEnd) this.onEnd();
      };
      this.run = run;
    }

    stop() {
      const { source, edge, begun } = this.run;
      const at = this.soon();
      const from = Math.min(1, Math.max(0, (at - begun) / EDGE));
      this.run = null;
      bend(edge.gain, from, at, from > 0 && from < 1);
      edge.gain.linearRampToValueAtTime(0, at + EDGE);
      source.stop(at + EDGE);
    }

    close() {
      if (this.run) this.stop();
      this.volume.disconnect();
    }
  }

  function bytesOf(base64) {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
    return bytes;
  }

  // Decoded at its own rate, so that no resampler comes in between.
  function decode(bytes, rate) {
    const Context = window.OfflineAudioContext || window.webkitOfflineAudioContext;
    const copy = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    return new Context(1, 1, rate).decodeAudioData(copy);
  }

  Object.assign(uncodec, { EDGE: EDGE, LEAD: LEAD, Player: Player, pack: pack, bytesOf: bytesOf, decode: decode, toGain: toGain });
})(window.uncodec = window.uncodec || {});
