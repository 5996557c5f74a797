"""
The official ``alibabacloud-dingtalk``, run by the Python of its own environment: makes every call that
it and the simulator know, and prints what came of each, one JSON object on a line.
"""

import json
import os
import sys
from urllib.parse import urlsplit

from alibabacloud_dingtalk.card_1_0 import models as card_models
from alibabacloud_dingtalk.card_1_0.client import Client as CardClient
from alibabacloud_dingtalk.oauth2_1_0 import models as oauth_models
from alibabacloud_dingtalk.oauth2_1_0.client import Client as OauthClient
from alibabacloud_dingtalk.robot_1_0 import models as robot_models
from alibabacloud_dingtalk.robot_1_0.client import Client as RobotClient
from alibabacloud_tea_openapi import models as open_api_models
from alibabacloud_tea_util import models as util_models

GROUP = "cidSimGroup0000000001=="
ROBOT = os.environ["APP_KEY"]
OPTIONS = util_models.RuntimeOptions()


def configuration():
    config = open_api_models.Config(protocol="http", region_id="central")
    config.endpoint = urlsplit(os.environ["BASE_URL"]).netloc
    return config


def tell(step, call):
    """What a caller sees: the answer's body, or the code and status of the error."""
    try:
        answer = call().body.to_map()
    except Exception as error:  # noqa: BLE001 (whatever it raises is what we want to see)
        data = getattr(error, "data", None) or {}
        code = getattr(error, "code", type(error).__name__)
        say(step=step, code=code, status=data.get("statusCode"), said=str(error)[:300])
        return {}
    say(step=step, answer=answer)
    return answer


def say(**said):
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def token(secret):
    asked = oauth_models.GetAccessTokenRequest(app_key=ROBOT, app_secret=secret)
    return OauthClient(configuration()).get_access_token(asked)


def headers(of, token):
    return of(x_acs_dingtalk_access_token=token)


def main():
    tell("wrong secret", lambda: token("wrong"))
    good = tell("token", lambda: token(os.environ["APP_SECRET"])).get("accessToken", "")
    robot, card = RobotClient(configuration()), CardClient(configuration())
    text = {"msg_key": "sampleText", "msg_param": '{"content":"你好"}', "robot_code": ROBOT}

    def group(group=GROUP, token=good):
        return robot.org_group_send_with_options(
            robot_models.OrgGroupSendRequest(open_conversation_id=group, **text),
            headers(robot_models.OrgGroupSendHeaders, token),
            OPTIONS,
        )

    sent = tell("group", group).get("processQueryKey", "")
    tell("bad token", lambda: group(token="bad"))
    tell("bad group", lambda: group(group="cidNone=="))
    tell(
        "persons",
        lambda: robot.batch_send_otowith_options(
            robot_models.BatchSendOTORequest(user_ids=["manager1001", "ghost"], **text),
            headers(robot_models.BatchSendOTOHeaders, good),
            OPTIONS,
        ),
    )
    tell(
        "download",
        lambda: robot.robot_message_file_download_with_options(
            robot_models.RobotMessageFileDownloadRequest(download_code="simPicture+/=", robot_code=ROBOT),
            headers(robot_models.RobotMessageFileDownloadHeaders, good),
            OPTIONS,
        ),
    )
    tell(
        "recall",
        lambda: robot.org_group_recall_with_options(
            robot_models.OrgGroupRecallRequest(
                open_conversation_id=GROUP, robot_code=ROBOT, process_query_keys=[sent, "none"]
            ),
            headers(robot_models.OrgGroupRecallHeaders, good),
            OPTIONS,
        ),
    )
    tell(
        "card",
        lambda: card.create_and_deliver_with_options(
            card_models.CreateAndDeliverRequest(
                card_template_id="simTemplate.schema",
                out_track_id="ot-1",
                callback_type="STREAM",
                card_data=card_models.CreateAndDeliverRequestCardData(card_param_map={"k": "v"}),
                open_space_id=f"dtv1.card//IM_GROUP.{GROUP}",
                im_group_open_space_model=card_models.CreateAndDeliverRequestImGroupOpenSpaceModel(
                    support_forward=True
                ),
                im_group_open_deliver_model=card_models.CreateAndDeliverRequestImGroupOpenDeliverModel(
                    robot_code=ROBOT
                ),
            ),
            headers(card_models.CreateAndDeliverHeaders, good),
            OPTIONS,
        ),
    )
    tell(
        "card update",
        lambda: card.update_card_with_options(
            card_models.UpdateCardRequest(
                out_track_id="ot-1",
                card_data=card_models.UpdateCardRequestCardData(card_param_map={"k": "w"}),
            ),
            headers(card_models.UpdateCardHeaders, good),
            OPTIONS,
        ),
    )


main()
