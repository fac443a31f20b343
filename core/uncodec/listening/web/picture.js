// Spectrograms drawn from levels: eight bits a cell, decoded once, coloured when shown.
(function (uncodec) {
  "use strict";

  // Dark to light with steadily growing lightness, and blue to red around dark grey for differences.
  const HEAT = [[0, 0, 4], [22, 14, 58], [60, 15, 112], [106, 28, 124], [153, 42, 117], [200, 60, 97], [234, 97, 71],
    [250, 152, 60], [250, 205, 110], [252, 253, 220]];
  const DIFFERENCE = [[120, 190, 255], [40, 120, 230], [20, 50, 110], [18, 18, 22], [125, 25, 40], [235, 80, 70],
    [255, 195, 150]];
  const DIFFERENCE_DB = 40;
  const LOWEST_HZ = 40; // where the logarithmic scale begins

  function ramp(stops) {
    const table = new Uint8ClampedArray(256 * 3);
    for (let i = 0; i < 256; i += 1) {
      const at = i / 255 * (stops.length - 1);
      const below = Math.min(Math.floor(at), stops.length - 2);
      for (let c = 0; c < 3; c += 1) {
        table[3 * i + c] = stops[below][c] + (stops[below + 1][c] - stops[below][c]) * (at - below);
      }
    }
    return table;
  }

  const HEAT_TABLE = ramp(HEAT);
  const DIFFERENCE_TABLE = ramp(DIFFERENCE);

  async function inflate(bytes) {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  class Picture {
    constructor(elements, handlers) {
      this.elements = elements;
      this.handlers = handlers;
      this.clip = null;
      this.wanted = { shown: 0, compared: -1, scale: "linear", range: 100, blind: false };
      this.coloured = new Map();
      this.from = 0;
      this.to = 1;
      this.playhead = 0;
      this.loop = [0, 0];
      this.drag = null;
      this.listen();
    }

    // `cells`: an array for each version of columns x bins levels, or null where they cannot be unpacked.
    setClip(clip, cells, peaks) {
      this.clip = clip;
      this.cells = cells;
      this.peaks = peaks;
      this.coloured.clear();
      this.from = 0;
      this.to = clip.seconds;
      this.loop = [0, clip.seconds];
      this.draw();
    }

    // Other cells and peaks of the clip that is shown.
    refill(cells, peaks) {
      if (cells !== this.cells) this.coloured.clear();
      this.cells = cells;
      this.peaks = peaks;
      this.draw();
    }

    show(wanted) {
      Object.assign(this.wanted, wanted);
      this.draw();
    }

    setLoop(start, end) {
      this.loop = [start, end];
      this.drawOverlay();
    }

    setPlayhead(seconds, moving) {
      this.playhead = seconds;
      const outside = seconds < this.from || seconds > this.to;
      if (moving && outside && !this.drag) {
        const width = this.to - this.from;
        this.view(seconds - 0.05 * width, seconds + 0.95 * width);
      } else {
        this.drawOverlay();
      }
    }

    // Show the seconds from `from` to `to`, as far as there are so many.
    view(from, to) {
      if (!this.clip) return;
      const all = this.clip.seconds;
      const width = Math.min(all, Math.max(0.05, to - from));
      this.from = Math.min(Math.max(0, from), all - width);
      this.to = this.from + width;
      this.draw();
      this.handlers.viewed(this.from, this.to);
    }

    zoom(factor, around) {
      const middle = around === undefined ? 0.5 * (this.from + this.to) : around;
      const width = (this.to - this.from) / factor;
      const share = (middle - this.from) / (this.to - this.from);
      this.view(middle - share * width, middle + (1 - share) * width);
    }

    colours(shown, compared) {
      const spectrogram = this.clip.spectrogram;
      const key = [shown, compared, this.wanted.range].join();
      if (this.coloured.has(key)) return this.coloured.get(key);
      const { columns, bins } = spectrogram;
      const canvas = document.createElement("canvas");
      canvas.width = columns;
      canvas.height = bins;
      const context = canvas.getContext("2d");
      const image = context.createImageData(columns, bins);
      const cells = this.cells[shown];
      const other = compared >= 0 ? this.cells[compared] : null;
      const lowest = spectrogram.top_db - this.wanted.range;
      const table = other ? DIFFERENCE_TABLE : HEAT_TABLE;
      // Every cell is one of 256 levels (or one of 511 differences): coloured by table.
      const place = new Uint8Array(511);
      for (let i = 0; i < 511; i += 1) {
        const value = other ? 0.5 + (i - 255) * spectrogram.step_db / (2 * DIFFERENCE_DB) :
          (spectrogram.floor_db + i * spectrogram.step_db - lowest) / this.wanted.range;
        place[i] = Math.round(255 * Math.min(1, Math.max(0, value)));
      }
      // What lies below the range in both is no difference that anybody sees.
      const least = Math.max(0, Math.round((lowest - spectrogram.floor_db) / spectrogram.step_db));
      for (let column = 0; column < columns; column += 1) {
        for (let bin = 0; bin < bins; bin += 1) {
          const at = column * bins + bin;
          const index = other ? Math.max(cells[at], least) - Math.max(other[at], least) + 255 : cells[at];
          const to = 4 * ((bins - 1 - bin) * columns + column);
          const from = 3 * place[index];
          image.data[to] = table[from];
          image.data[to + 1] = table[from + 1];
          image.data[to + 2] = table[from + 2];
          image.data[to + 3] = 255;
        }
      }
      context.putImageData(image, 0, 0);
      if (this.coloured.size > 7) this.coloured.delete(this.coloured.keys().next().value);
      this.coloured.set(key, canvas);
      return canvas;
    }

    draw() {
      if (!this.clip) return;
      const { cells, wave } = this.elements;
      const context = fit(cells);
      const { width, height } = cells;
      context.fillStyle = "#000";
      context.fillRect(0, 0, width, height);
      const { shown, compared, scale, blind } = this.wanted;
      if (!blind && this.cells) {
        const picture = this.colours(shown, compared === shown ? -1 : compared);
        const perSecond = 1 / this.clip.spectrogram.hop_s;
        const left = this.from * perSecond + 0.5;
        const span = Math.max(1e-6, (this.to - this.from) * perSecond);
        context.imageSmoothingEnabled = true;
        context.imageSmoothingQuality = "high";
        if (scale === "linear") {
          context.drawImage(picture, left, 0, span, picture.height, 0, 0, width, height);
        } else {
          const rows = picture.height;
          const half = 0.5 * this.clip.rate;
          for (let y = 0; y < height; y += 1) {
            const high = this.hertz(y, height) / half * (rows - 1);
            const low = this.hertz(y + 1, height) / half * (rows - 1);
            const tall = Math.max(1, high - low);
            context.drawImage(picture, left, Math.max(0, rows - 1 - high), span, tall, 0, y, width, 1);
          }
        }
      }
      this.drawWave(wave);
      this.drawOverlay();
    }

    hertz(y, height) {
      const half = 0.5 * this.clip.rate;
      const share = 1 - y / height;
      return this.wanted.scale === "linear" ? share * half : LOWEST_HZ * Math.pow(half / LOWEST_HZ, share);
    }

    row(hertz, height) {
      const half = 0.5 * this.clip.rate;
      const share = this.wanted.scale === "linear" ? hertz / half :
        Math.log(Math.max(hertz, LOWEST_HZ) / LOWEST_HZ) / Math.log(half / LOWEST_HZ);
      return (1 - share) * height;
    }

    drawWave(canvas) {
      const context = fit(canvas);
      const { width, height } = canvas;
      context.clearRect(0, 0, width, height);
      const peaks = this.peaks && this.peaks[this.wanted.blind ? 0 : this.wanted.shown];
      if (!peaks) return;
      context.fillStyle = getComputedStyle(canvas).color;
      const count = peaks.length / 2;
      for (let x = 0; x < width; x += 1) {
        const first = Math.floor((this.from + (this.to - this.from) * x / width) / this.clip.seconds * count);
        const last = Math.max(first + 1,
          Math.floor((this.from + (this.to - this.from) * (x + 1) / width) / this.clip.seconds * count));
        let low = 0;
        let high = 0;
        for (let i = first; i < Math.min(last, count); i += 1) {
          low = Math.min(low, peaks[2 * i]);
          high = Math.max(high, peaks[2 * i + 1]);
        }
        const top = 0.5 * height * (1 - high);
        context.fillRect(x, top, 1, Math.max(1, 0.5 * height * (high - low)));
      }
    }

    drawOverlay() {
      if (!this.clip) return;
      const canvas = this.elements.overlay;
      const context = fit(canvas);
      const { width, height } = canvas;
      const unit = window.devicePixelRatio || 1;
      context.clearRect(0, 0, width, height);
      const x = (seconds) => (seconds - this.from) / (this.to - this.from) * width;
      const [start, end] = this.drag && this.drag.moved ? this.drag.span : this.loop;
      context.fillStyle = "rgba(0, 0, 0, .55)";
      if (start > 0) context.fillRect(0, 0, Math.max(0, x(start)), height);
      if (end < this.clip.seconds) context.fillRect(x(end), 0, Math.max(0, width - x(end)), height);
      context.font = 11 * unit + "px system-ui, sans-serif";
      context.strokeStyle = "rgba(255, 255, 255, .16)";
      context.lineWidth = unit;
      const label = (text, at, row) => {
        context.fillStyle = "rgba(0, 0, 0, .6)";
        context.fillRect(at - 2 * unit, row - 10 * unit, context.measureText(text).width + 4 * unit, 13 * unit);
        context.fillStyle = "#fff";
        context.fillText(text, at, row);
      };
      if (!this.wanted.blind) {
        for (const hertz of this.marks()) {
          const y = this.row(hertz, height);
          context.beginPath();
          context.moveTo(0, y);
          context.lineTo(width, y);
          context.stroke();
          if (y > 14 * unit && y < height - 18 * unit) {
            label(hertz >= 1000 ? hertz / 1000 + " kHz" : hertz + " Hz", 4 * unit, y + 4 * unit);
          }
        }
      }
      const step = niceStep((this.to - this.from) / Math.max(2, width / unit / 110));
      for (let t = Math.ceil(this.from / step) * step; t < this.to; t += step) {
        label(Number(t.toFixed(3)) + " s", x(t) + 3 * unit, height - 5 * unit);
        context.fillRect(x(t), height - 8 * unit, unit, 8 * unit);
      }
      context.fillStyle = "#7cf7c9";
      context.fillRect(x(this.playhead) - 0.5 * unit, 0, 1.5 * unit, height);
    }

    marks() {
      if (this.wanted.scale === "log") return [100, 300, 1000, 3000, 10000];
      const half = 0.5 * this.clip.rate;
      const step = half > 30000 ? 10000 : half > 8000 ? 4000 : 1000;
      const out = [];
      for (let hertz = step; hertz < half; hertz += step) out.push(hertz);
      return out;
    }

    secondsAt(event) {
      const box = this.elements.overlay.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      return this.from + share * (this.to - this.from);
    }

    listen() {
      const { overlay, wave } = this.elements;
      for (const place of [overlay, wave]) {
        place.addEventListener("pointerdown", (event) => {
          if (!this.clip || event.button) return;
          const at = this.secondsAt(event);
          this.drag = { at: at, x: event.clientX, moved: false, span: [at, at] };
          place.setPointerCapture(event.pointerId);
        });
        place.addEventListener("pointermove", (event) => {
          if (!this.drag) return;
          if (Math.abs(event.clientX - this.drag.x) > 4) this.drag.moved = true;
          const at = this.secondsAt(event);
          this.drag.span = [Math.min(at, this.drag.at), Math.max(at, this.drag.at)];
          this.drawOverlay();
        });
        place.addEventListener("pointerup", () => {
          const drag = this.drag;
          this.drag = null;
          if (!drag) return;
          if (drag.moved && drag.span[1] > drag.span[0]) this.handlers.looped(...drag.span);
          else this.handlers.sought(drag.at);
        });
        place.addEventListener("pointercancel", () => {
          this.drag = null;
          this.drawOverlay();
        });
        place.addEventListener("wheel", (event) => {
          const sideways = event.shiftKey ? event.deltaY : event.deltaX;
          if (event.ctrlKey) this.zoom(Math.exp(-event.deltaY / 300), this.secondsAt(event));
          else if (sideways) {
            const by = (this.to - this.from) * sideways / 800;
            this.view(this.from + by, this.to + by);
          } else return;
          event.preventDefault();
        }, { passive: false });
      }
      window.addEventListener("resize", () => this.draw());
    }

    legend(canvas) {
      const table = this.wanted.compared >= 0 ? DIFFERENCE_TABLE : HEAT_TABLE;
      canvas.width = 256;
      canvas.height = 1;
      const context = canvas.getContext("2d");
      for (let i = 0; i < 256; i += 1) {
        context.fillStyle = "rgb(" + [table[3 * i], table[3 * i + 1], table[3 * i + 2]].join() + ")";
        context.fillRect(i, 0, 1, 1);
      }
      const top = this.clip.spectrogram.top_db;
      return this.wanted.compared >= 0 ? [-DIFFERENCE_DB, DIFFERENCE_DB] : [top - this.wanted.range, top];
    }
  }

  function fit(canvas) {
    const unit = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(canvas.clientWidth * unit));
    const height = Math.max(1, Math.round(canvas.clientHeight * unit));
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    return canvas.getContext("2d");
  }

  function niceStep(least) {
    const power = Math.pow(10, Math.floor(Math.log10(least)));
    return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= least * 0.999);
  }

  // The lowest and highest sample of each of `count` stretches.
  function peaksOf(buffer, first, channels, count) {
    const out = new Float32Array(2 * count);
    for (let channel = first; channel < first + channels; channel += 1) {
      const samples = buffer.getChannelData(channel);
      for (let i = 0; i < count; i += 1) {
        const end = Math.floor((i + 1) * samples.length / count);
        for (let n = Math.floor(i * samples.length / count); n < end; n += 1) {
          if (samples[n] < out[2 * i]) out[2 * i] = samples[n];
          if (samples[n] > out[2 * i + 1]) out[2 * i + 1] = samples[n];
        }
      }
    }
    return out;
  }

  Object.assign(uncodec, { Picture: Picture, inflate: inflate, peaksOf: peaksOf });
})(window.uncodec = window.uncodec || {});
