// A small line plot of the last seconds.

export class Plot {
  constructor(canvas, colour, floor) {
    Object.assign(this, { canvas, colour, floor });
    this.pen = canvas.getContext("2d");
    this.values = [];
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  add(value) {
    this.values.push(value);
    if (this.values.length > 120) this.values.shift();
    this.draw();
  }

  draw() {
    const { canvas, pen, values } = this, ratio = devicePixelRatio || 1, box = canvas.getBoundingClientRect();
    if (!box.width) return;
    canvas.width = box.width * ratio; canvas.height = box.height * ratio;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const style = getComputedStyle(document.documentElement), ink = style.getPropertyValue(`--${this.colour}`);
    const most = Math.max(this.floor, ...values) * 1.15;
    const x = (i) => box.width - ((values.length - 1 - i) * box.width) / 119, y = (value) => box.height - 3 - (value / most) * (box.height - 8);
    pen.fillStyle = style.getPropertyValue("--soft");
    pen.font = "10px system-ui, sans-serif";
    pen.textAlign = "left";
    pen.fillText(`${most < 10 ? most.toFixed(1) : Math.round(most)} ms`, 6, 12);
    if (values.length < 2) return;
    pen.beginPath();
    values.forEach((value, i) => (i ? pen.lineTo(x(i), y(value)) : pen.moveTo(x(i), y(value))));
    pen.strokeStyle = ink; pen.lineWidth = 1.75; pen.lineJoin = "round"; pen.stroke();
    pen.lineTo(x(values.length - 1), box.height); pen.lineTo(x(0), box.height);
    pen.globalAlpha = 0.14; pen.fillStyle = ink; pen.fill();
    pen.globalAlpha = 1;
  }
}
