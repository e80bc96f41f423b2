// The camera: its picture on the page, and the middle of it to search with.

// The longer side of a picture that is sent, in pixels: more than most inputs.
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
    this.height = 1; // of what is sent, as a share of its width
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

  // The middle, as large as it is with the proportions that are wanted, as a JPEG
  // file; null before the first frame.
  picture() {
    const { videoWidth, videoHeight } = this.video;
    if (!videoWidth) return Promise.resolve(null);
    const width = Math.min(videoWidth, videoHeight / this.height);
    const height = width * this.height;
    const scale = SIDE / Math.max(width, height);
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.getContext("2d").drawImage(this.video, (videoWidth - width) / 2, (videoHeight - height) / 2,
      width, height, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
  }
}
