using System.Text;
using ChannelSdk.Install.Records;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Install.Definitions;

/// <summary>One parameter of an operation.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Class">Who may see it.</param>
/// <param name="Value">Its bytes; those of a secret are its owner's and are wiped with it.</param>
internal readonly record struct OperationParameter(string Name, ParameterClass Class, ReadOnlyMemory<byte> Value)
{
    public override string ToString() => $"{Name} ({Class})";
}

/// <summary>The parameters that the scripts of one operation get: the definition's defaults, the record's values, the secrets.</summary>
internal static class OperationParameters
{
    /// <summary>Bytes of all of them with their names; the rest of what a script takes is for the instance's description.</summary>
    public const int MaxTotal = 80 << 10;

    private const int MaxCount = 96;

    /// <summary>Puts them together.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: what is missing, unknown or of the wrong class; never a value.</exception>
    public static IReadOnlyList<OperationParameter> Resolve(OsDefinition definition, InstanceRecord record, SecretParameters? secrets)
    {
        CheckNames(definition, [.. record.Parameters.Keys, .. secrets?.Names ?? []]);
        var result = new List<OperationParameter>();
        foreach (var (name, stored) in record.Parameters)
        {
            CheckClass(definition, name, stored.Class);
            if (stored.Class != ParameterClass.Secret && secrets?.Find(name) is null)
            {
                result.Add(new OperationParameter(name, stored.Class, Encoding.UTF8.GetBytes(stored.Reveal()!)));
            }
            else if (secrets?.Find(name) is null)
            {
                throw Wrong(definition, $"the parameter {name} is secret, and its value was not given; it is never stored, so every operation needs it again");
            }
        }

        foreach (var name in secrets?.Names ?? [])
        {
            result.Add(new OperationParameter(name, ParameterClass.Secret, secrets!.Find(name)!.Memory));
        }

        foreach (var declared in definition.Parameters.Values.Where(d => !result.Any(p => p.Name == d.Name)))
        {
            if (declared.Default is not null)
            {
                result.Add(new OperationParameter(declared.Name, declared.Class, Encoding.UTF8.GetBytes(declared.Default)));
            }
            else if (declared.IsRequired)
            {
                throw Wrong(definition, declared.Class == ParameterClass.Secret
                    ? $"it needs the secret parameter {declared.Name} ({SafeText.Escape(declared.Description, 128)}), whose value is given to each operation"
                    : $"it needs the parameter {declared.Name} ({SafeText.Escape(declared.Description, 128)}); set it in the record of {record.Name}");
            }
        }

        if (result.Count > MaxCount)
        {
            throw Wrong(definition, $"{record.Name} has {result.Count} parameters; an operation takes {MaxCount}");
        }

        if (result.FirstOrDefault(p => p.Value.Span.Contains((byte)0)) is { Name: { } withZero })
        {
            throw Wrong(definition, $"the parameter {withZero} has a zero byte in it, which no environment variable can hold");
        }

        return result.Sum(p => p.Name.Length + p.Value.Length + 6) <= MaxTotal ? result
            : throw Wrong(definition, $"the parameters of {record.Name} have more than {MaxTotal} bytes together, which is more than a script's environment takes");
    }

    private static void CheckNames(OsDefinition definition, IEnumerable<string> names)
    {
        foreach (var name in definition.HasParameterList ? names.Where(n => !definition.Parameters.ContainsKey(n)) : [])
        {
            var meant = NearestName.Of(name, definition.Parameters.Keys) is { } near ? $"did you mean {near}? " : "";
            throw Wrong(definition, $"it has no parameter {name}; {meant}known are {string.Join(", ", definition.Parameters.Keys)}");
        }
    }

    private static void CheckClass(OsDefinition definition, string name, ParameterClass stored)
    {
        if (definition.Parameters.TryGetValue(name, out var declared) && stored < declared.Class)
        {
            throw Wrong(definition, $"its parameter {name} is {Lower(declared.Class)} and is kept as {Lower(stored)}; remove it from the record and give it as {Lower(declared.Class)}");
        }
    }

    private static string Lower(ParameterClass parameterClass) => parameterClass.ToString().ToLowerInvariant();

    private static ChannelException Wrong(OsDefinition definition, string text) =>
        new(ChannelError.BadConfiguration, ErrorClass.Refused, $"OS definition {definition.Name}: {text}");
}
