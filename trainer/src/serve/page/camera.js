// The camera: its picture on the page, and the middle of it to search with.

// The side of a picture that is sent, in pixels: more than any likely input.
const SIDE = 320;

const TROUBLE = {
  NotAllowedError: "The browser was not allowed to use the camera. Allow it beside the address.",
  NotFoundError: "There is no camera.",
  NotReadableError: "The camera is in use by another program.",
};

export class Camera {
  constructor(video) {
    this.video = video;
    this.stream = null;
  }

  get running() {
    return this.stream !== null;
  }

  async start() {
    if (!navigator.mediaDevices) {
      throw new Error("This browser gives pages no camera here. Open the page as http://localhost.");
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: "environment", width: { ideal: 640 } },
      });
      this.video.srcObject = this.stream;
      await this.video.play();
    } catch (error) {
      this.stop();
      throw new Error(TROUBLE[error.name] ?? `The camera cannot be used: ${error.message}.`);
    }
  }

  stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
  }

  // The largest square in the middle, as a JPEG file; null before the first frame.
  picture() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const side = Math.min(width, height);
    if (!side) return Promise.resolve(null);
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIDE;
    canvas.getContext("2d").drawImage(this.video, (width - side) / 2, (height - side) / 2,
      side, side, 0, 0, SIDE, SIDE);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
  }
}
