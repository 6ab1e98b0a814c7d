using System.Text.Json;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>
/// The guest-fsfreeze commands. The protocol has no lease, so a freeze gets the image's; a thaw that comes after its end
/// fails, since a snapshot taken meanwhile may not be clean.
/// </summary>
/// <param name="freeze">What freezes.</param>
/// <param name="lease">How long a freeze lasts by itself.</param>
internal sealed class QgaFreeze(FreezeService freeze, Func<TimeSpan> lease)
{
    private volatile bool _isThawDue;

    public bool IsFrozen => freeze.Restriction is not null;

    public void Status(QgaCall call)
    {
        call.Arguments.End();
        call.Json.WriteStringValue(IsFrozen ? "frozen"u8 : "thawed"u8);
    }

    public async ValueTask FreezeAsync(QgaCall call)
    {
        var request = new FreezeRequest { LeaseMs = (uint)lease().TotalMilliseconds };
        request.Mounts.AddRange(call.Arguments.Texts("mountpoints"));
        call.Arguments.End();
        var report = await freeze.FreezeAsync(request, ignoreUnknown: true).ConfigureAwait(false);
        if (report.Failure.Length > 0)
        {
            throw new QgaException($"failed to freeze: {report.Failure}");
        }

        _isThawDue = report.State == FreezeState.Frozen;
        Write(call.Json, report, MountOutcome.Frozen);
    }

    public async ValueTask ThawAsync(QgaCall call)
    {
        call.Arguments.End();
        var isDue = _isThawDue;
        _isThawDue = false;
        try
        {
            Write(call.Json, await freeze.ThawAsync(new ThawRequest()).ConfigureAwait(false), MountOutcome.Thawed);
        }
        catch (ChannelException e) when (e.Code == ChannelError.FailedPrecondition && !isDue)
        {
            // As qemu-ga has it: what is thawed can be thawed again.
            call.Json.WriteNumberValue(0);
        }
    }

    private static void Write(Utf8JsonWriter json, FreezeReport report, MountOutcome counted)
    {
        var count = 0;
        foreach (var mount in report.Mounts)
        {
            count += mount.Outcome == counted ? 1 : 0;
        }

        json.WriteNumberValue(count);
    }
}
