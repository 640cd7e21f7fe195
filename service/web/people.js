/** Which people and joints are shown: the thresholds act here, without asking the service. */

const PERSON_CATEGORY = 1;
const IMAGE_ID = 1;

/** People at or above the threshold, each with the joints to show; `index` is the place in the answer. */
export function visiblePeople(answer, { person, joint }) {
  return answer.persons
    .map((one, index) => ({
      index,
      score: one.score,
      box: one.box,
      all: one.keypoints,
      joints: one.keypoints.filter((each) => each.score >= joint),
    }))
    .filter((one) => one.score >= person);
}

/** The service's answer as it would be with these thresholds. */
export function filteredAnswer(answer, thresholds) {
  const persons = visiblePeople(answer, thresholds).map(({ score, box, joints }) => ({
    score,
    box,
    keypoints: joints,
  }));
  return { ...answer, persons };
}

/** COCO keypoint results as `?format=coco` gives them; pixels there count from their centres. */
export function cocoResults(answer, thresholds, names) {
  return visiblePeople(answer, thresholds).map(({ score, box, joints }) => {
    const shown = new Map(joints.map((each) => [each.name, each]));
    return {
      image_id: IMAGE_ID,
      category_id: PERSON_CATEGORY,
      keypoints: names.flatMap((name) => {
        const joint = shown.get(name);
        return joint ? [joint.x, joint.y, joint.score] : [0, 0, 0];
      }),
      score,
      bbox: [box.x, box.y, box.width, box.height],
    };
  });
}
