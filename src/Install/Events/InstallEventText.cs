using System.Globalization;

namespace ChannelSdk.Install.Events;

/// <summary>Events as lines for a log or a terminal.</summary>
public static class InstallEventText
{
    /// <summary>One line with time and party, without a line end. Texts in events are escaped already.</summary>
    public static string Line(InstallEvent e)
    {
        ArgumentNullException.ThrowIfNull(e);
        return string.Create(CultureInfo.InvariantCulture, $"{e.At.UtcDateTime:yyyy-MM-ddTHH:mm:ss.fffZ} {e.Party.ToString().ToLowerInvariant(),-9} {Text(e)}");
    }

    /// <summary>As JSON in one line, without a line end; as it stands in the operation's file.</summary>
    public static string Json(InstallEvent e)
    {
        ArgumentNullException.ThrowIfNull(e);
        return System.Text.Json.JsonSerializer.Serialize(e, InstallEventJson.Default.InstallEvent);
    }

    /// <summary>What happened, in one line.</summary>
    public static string Text(InstallEvent e)
    {
        ArgumentNullException.ThrowIfNull(e);
        return e switch
        {
            BegunEvent begun => $"operation {begun.Operation} on {begun.Instance}, log {begun.LogFile}",
            PhaseEvent phase => $"phase {phase.Phase}{(phase.Text.Length > 0 ? ": " : "")}{phase.Text}",
            ProgressMadeEvent progress => string.Create(CultureInfo.InvariantCulture,
                $"{(progress.Percent is { } percent ? $"{percent:0.0} %" : "progress")}{string.Concat(progress.Steps.Select(s => $" / {s}"))}{(progress.Text.Length > 0 ? ": " : "")}{progress.Text}"),
            MessageEvent { Barrier: { } barrier } => $"came to barrier {barrier}",
            MessageEvent message => $"sent a message of {message.Bytes} bytes",
            LogEvent log => $"{log.Level.ToString().ToLowerInvariant()}: {log.Text}",
            OutputEvent output => $"{(output.IsError ? "err" : "out")}| {output.Text}",
            HalfResultEvent half => $"result: {half.Text}",
            DataMovedEvent data => string.Create(CultureInfo.InvariantCulture,
                $"disk {data.Disk}: {data.Bytes} bytes{(data.Sha256 is { } hash ? $", sha256 {hash}" : data.Total is { } total ? $" of {total}" : "")}"),
            ImageReadEvent image => string.Create(CultureInfo.InvariantCulture,
                $"image: {image.Bytes} bytes{(image.Sha256 is { } hash ? $", sha256 {hash}" : image.Total is { } total ? $" of {total}" : "")}"),
            ResultEvent result => $"{result.Outcome}{(result.Reason.Length > 0 ? ": " : "")}{result.Reason}",
            _ => e.GetType().Name,
        };
    }
}
