using ChannelSdk.GuestAgent.Platform;
using ChannelSdk.GuestAgent.Power;
using ChannelSdk.GuestAgent.Time;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>The commands that stop the guest, send it to sleep and set its clock.</summary>
internal sealed class QgaControl(PowerService power, TimeService time)
{
    private const long NanosecondsPerSecond = 1_000_000_000;

    public void Shutdown(QgaCall call)
    {
        var action = call.Arguments.TextOrNull("mode") switch
        {
            null or "powerdown" => PowerAction.Shutdown,
            "halt" => PowerAction.Halt,
            "reboot" => PowerAction.Reboot,
            _ => throw new QgaException("mode is invalid (valid values are: halt|powerdown|reboot"),
        };
        Request(call, action);
    }

    public void SuspendToRam(QgaCall call) => Request(call, PowerAction.SuspendRam);

    public void SuspendToDisk(QgaCall call) => Request(call, PowerAction.SuspendDisk);

    // To the memory, and to the disk beside it: the system's own affair where it has a way.
    public void SuspendHybrid(QgaCall call) => Request(call, PowerAction.SuspendHybrid);

    public void GetTime(QgaCall call)
    {
        call.Arguments.End();
        call.Json.WriteNumberValue(time.Get().UnixNs);
    }

    /// <summary>guest-set-time: to what is given, or to what the guest's hardware clock says.</summary>
    public void SetTime(QgaCall call)
    {
        var wanted = call.Arguments.IntegerOrNull("time");
        call.Arguments.End();
        if (wanted is null && ProcValues.Count(SmallFile.Read("/sys/class/rtc/rtc0/since_epoch").Trim()) is var seconds)
        {
            wanted = seconds is > 0 and < long.MaxValue / NanosecondsPerSecond ? ((long)seconds - WallClock.HardwareOffset) * NanosecondsPerSecond
                : throw new QgaException("the guest has no hardware clock that can be read");
        }

        time.Set(new TimeSetRequest { UnixNs = wanted.GetValueOrDefault() });
    }

    private void Request(QgaCall call, PowerAction action)
    {
        call.Arguments.End();
        power.Request(new PowerCommand { Action = action, Reason = "QEMU guest agent protocol" });
    }
}
