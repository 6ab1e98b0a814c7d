using System.Text.Json.Serialization;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Install.Events;

/// <summary>Who an event of an operation is about.</summary>
public enum InstallParty
{
    /// <summary>The operation itself.</summary>
    Operation,
    /// <summary>The half on the host.</summary>
    Trusted,
    /// <summary>The half in the appliance.</summary>
    Untrusted,
    /// <summary>An instance that installs itself.</summary>
    Guest,
}

/// <summary>Where an operation is.</summary>
public enum InstallPhase
{
    /// <summary>Definition, parameters and folder are made ready.</summary>
    Preparing,
    /// <summary>The instance's image is fetched and checked.</summary>
    Fetching,
    /// <summary>The definition's verify checks the parameters: on the host before the appliance boots, or of a confined definition in the appliance.</summary>
    Verifying,
    /// <summary>The appliance boots.</summary>
    Booting,
    /// <summary>The halves run.</summary>
    Running,
    /// <summary>The personalization package is laid over the installed system.</summary>
    Personalizing,
    /// <summary>The operation's processes and resources are ended and removed.</summary>
    CleaningUp,
    /// <summary>It is over.</summary>
    Ended,
}

/// <summary>How an operation ended.</summary>
public enum InstallOutcome
{
    /// <summary>All of its halves ended well.</summary>
    Succeeded,
    /// <summary>Something failed.</summary>
    Failed,
    /// <summary>Its deadline passed.</summary>
    TimedOut,
    /// <summary>It was cancelled.</summary>
    Cancelled,
    /// <summary>The process that ran it went away.</summary>
    Interrupted,
}

/// <summary>
/// Something that happened in an operation. Texts of scripts and guests are escaped and bounded, and the values of private
/// and secret parameters in them are replaced.
/// </summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(BegunEvent), "begun")]
[JsonDerivedType(typeof(PhaseEvent), "phase")]
[JsonDerivedType(typeof(ProgressMadeEvent), "progress")]
[JsonDerivedType(typeof(MessageEvent), "message")]
[JsonDerivedType(typeof(LogEvent), "log")]
[JsonDerivedType(typeof(OutputEvent), "output")]
[JsonDerivedType(typeof(HalfResultEvent), "half_result")]
[JsonDerivedType(typeof(DataMovedEvent), "data")]
[JsonDerivedType(typeof(ImageReadEvent), "image")]
[JsonDerivedType(typeof(ResultEvent), "result")]
public abstract record InstallEvent
{
    /// <summary>Place in the operation's history, from 1, without gaps.</summary>
    public long Cursor { get; init; }

    /// <summary>When the host learned it.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>Who it is about.</summary>
    public InstallParty Party { get; init; }
}

/// <summary>The first event: which operation it is.</summary>
public sealed record BegunEvent : InstallEvent
{
    /// <summary>Its name: 32 hexadecimal digits.</summary>
    public required string Operation { get; init; }

    /// <summary>Name of the instance.</summary>
    public required string Instance { get; init; }

    /// <summary>Path of its log, which is kept.</summary>
    public required string LogFile { get; init; }
}

/// <summary>The operation came to a phase.</summary>
public sealed record PhaseEvent : InstallEvent
{
    /// <summary>The phase.</summary>
    public required InstallPhase Phase { get; init; }

    /// <summary>What is done in it.</summary>
    public string Text { get; init; } = "";
}

/// <summary>A half, or a guest, told how far it is.</summary>
public sealed record ProgressMadeEvent : InstallEvent
{
    /// <summary>How much of its whole work is done, 0 to 100; null: it does not say.</summary>
    public double? Percent { get; init; }

    /// <summary>The steps that it is in, outermost first.</summary>
    public IReadOnlyList<string> Steps { get; init; } = [];

    /// <summary>What it does now.</summary>
    public string Text { get; init; } = "";
}

/// <summary>A half sent a message to the other, or has come to a barrier. The content is theirs alone.</summary>
public sealed record MessageEvent : InstallEvent
{
    /// <summary>Bytes of the message; null: it is a barrier.</summary>
    public int? Bytes { get; init; }

    /// <summary>Name of the barrier; null: it is a message.</summary>
    public string? Barrier { get; init; }
}

/// <summary>A line for the operation's log.</summary>
public sealed record LogEvent : InstallEvent
{
    /// <summary>How much it matters.</summary>
    public required InstallLogLevel Level { get; init; }

    /// <summary>The line.</summary>
    public required string Text { get; init; }
}

/// <summary>A line that a half wrote to its standard output or error.</summary>
public sealed record OutputEvent : InstallEvent
{
    /// <summary>Whether it was written to standard error.</summary>
    public bool IsError { get; init; }

    /// <summary>The line.</summary>
    public required string Text { get; init; }
}

/// <summary>What a half has set as its result, told once, when the operation is about to end.</summary>
public sealed record HalfResultEvent : InstallEvent
{
    /// <summary>Its beginning as a text, at most 4096 characters.</summary>
    public required string Text { get; init; }

    /// <summary>All of it, 0 to 65,536 bytes of the half; base64 in JSON. Private and secret values in it are replaced, nothing is escaped.</summary>
    public required ReadOnlyMemory<byte> Content { get; init; }
}

/// <summary>How far the data of a disk is; once a second at most, and when it was moved as a whole.</summary>
public sealed record DataMovedEvent : InstallEvent
{
    /// <summary>Which disk, from 0.</summary>
    public required int Disk { get; init; }

    /// <summary>How many bytes were moved, as the script wrote or read them.</summary>
    public required long Bytes { get; init; }

    /// <summary>How many there will be; a script's estimate may be wrong. Null: nobody says.</summary>
    public long? Total { get; init; }

    /// <summary>SHA-256 of all of it, 64 hexadecimal digits; null: it was not moved as a whole yet.</summary>
    public string? Sha256 { get; init; }
}

/// <summary>How far the host has read the instance's image; once a second at most, and when it was read as a whole.</summary>
public sealed record ImageReadEvent : InstallEvent
{
    /// <summary>How many bytes were read, as the image is stored.</summary>
    public required long Bytes { get; init; }

    /// <summary>How many there will be; null: the server does not say.</summary>
    public long? Total { get; init; }

    /// <summary>SHA-256 of all of it, 64 hexadecimal digits; null: it was not read as a whole yet.</summary>
    public string? Sha256 { get; init; }
}

/// <summary>The last event: how it ended.</summary>
public sealed record ResultEvent : InstallEvent
{
    /// <summary>How.</summary>
    public required InstallOutcome Outcome { get; init; }

    /// <summary>Why.</summary>
    public required string Reason { get; init; }
}
