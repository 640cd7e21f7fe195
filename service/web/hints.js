/** What a person can do about a problem. */

export function hintFor(problem) {
  switch (problem.status) {
    case 0:
      return "Check that the service is running, then try again.";
    case 401:
      return "Enter a key above. Whoever runs this service can give you one.";
    case 403:
      return "This key may not do that. Enter another one above.";
    case 404:
      return "The pipeline may have been unloaded: choose another one, or reload the page.";
    case 408:
      return "The connection seems slow. Try again, or use a smaller picture.";
    case 413:
      return "Make the picture smaller, or save it as JPEG, and try again.";
    case 400:
    case 415:
      return "JPEG, PNG, WebP and BMP can be read. Save the picture as one of these; photos in a phone's HEIC format can be exported as JPEG.";
    case 422:
      return "The file may be damaged or cut off. Open it in another program and save it again.";
    case 429:
    case 503:
      return "Many people may be asking at once, or the service is just starting. Try again in a moment.";
    case 504:
      return "The service was too busy to answer in time. Try again, or use a smaller picture.";
    default:
      return "Try again. If it happens again, tell whoever runs this service the request's id.";
  }
}

/** Whether the same request may succeed later. */
export function mayPass({ status }) {
  return ![400, 413, 414, 415, 422].includes(status);
}

export function cameraProblem(error) {
  const titles = {
    NotAllowedError: "The camera was not allowed",
    NotFoundError: "No camera was found",
    NotReadableError: "The camera is used by another program",
    OverconstrainedError: "The camera cannot give a suitable picture",
  };
  const details = {
    NotAllowedError: "Allow it in the browser's address bar or settings, then start again.",
    NotFoundError: "Connect one, or choose a picture instead.",
    NotReadableError: "Close the other program, then start again.",
  };
  return {
    title: titles[error.name] ?? "The camera could not be started",
    detail: details[error.name] ?? error.message,
  };
}

export const INSECURE_CAMERA = {
  title: "Browsers lend the camera to safe pages only",
  detail: "Open this page over https, or on the machine itself as localhost. Pictures work everywhere.",
};
