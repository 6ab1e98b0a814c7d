using System.Text.RegularExpressions;
using System.Xml.Linq;
using Mono.Cecil;

namespace ChannelSdk.Architecture.Tests;

/// <summary>The borders of docs/ARCHITECTURE.md, against the assemblies as they were built.</summary>
public partial class BorderTests
{
    /// <summary>Besides tests, what they share, what runs within guests for them and the benchmarks see into a product's assembly.</summary>
    private static readonly string[] s_testers = ["ChannelSdk.Testing", "ChannelSdk.InGuest", "ChannelSdk.InXen", "in-worker", "ChannelSdk.Bench"];

    [Fact]
    public void Each_project_knows_what_the_table_says_and_no_other()
    {
        var wrong = new List<string>();
        var table = Table();
        Assert.Equal(Product.Projects.Select(static p => p.Folder).Order(), table.Keys.Order());
        foreach (var (folder, assembly) in Product.Projects)
        {
            var known = TypeUse.In(Product.Assemblies[assembly]).Select(static use => FolderOf(use.To)).Where(f => f is not null && f != folder).Distinct().Order();
            var said = table[folder].Keys.Order();
            if (!known.SequenceEqual(said))
            {
                wrong.Add($"{folder} knows {string.Join(", ", known)}; the table says {string.Join(", ", said)}");
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void A_project_that_may_know_some_folders_of_another_knows_no_others()
    {
        var wrong = new List<string>();
        var table = Table();
        foreach (var (folder, assembly) in Product.Projects)
        {
            foreach (var (from, to) in TypeUse.In(Product.Assemblies[assembly]))
            {
                if (FolderOf(to) is { } other && other != folder && table[folder].TryGetValue(other, out var parts) && parts.Length > 0
                    && !parts.Contains(to.Namespace.Split('.')[^1]))
                {
                    wrong.Add($"{from.FullName} of {folder} uses {to.FullName}; of {other} it may know {string.Join(", ", parts)}");
                }
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void No_two_folders_of_a_project_know_each_other()
    {
        var cycles = new List<string>();
        foreach (var assembly in Product.Assemblies.Values)
        {
            var graph = TypeUse.In(assembly)
                .Where(use => use.To.Scope == assembly.MainModule && use.To.Namespace.StartsWith("ChannelSdk", StringComparison.Ordinal) && use.From.Namespace != use.To.Namespace)
                .Where(static use => use.From.Namespace.StartsWith("ChannelSdk", StringComparison.Ordinal))
                .GroupBy(static use => use.From.Namespace).ToDictionary(static g => g.Key, static g => g.ToArray());
            foreach (var (from, uses) in graph)
            {
                foreach (var use in uses.Where(use => Reaches(graph, use.To.Namespace, from)))
                {
                    cycles.Add($"{use.From.FullName} uses {use.To.FullName}, from where a way leads back");
                }
            }
        }

        Assert.Empty(cycles);
    }

    [Fact]
    public void Each_file_is_in_the_namespace_of_its_folder()
    {
        var wrong = new List<string>();
        foreach (var (folder, _) in Product.Projects)
        {
            var root = Path.Combine(Product.Root, folder);
            var files = Product.Sources(folder).Select(file => (Folder: Path.GetRelativePath(root, Path.GetDirectoryName(file)!), Namespace: NamespaceOf(file), file))
                .Where(static f => f.Namespace is not null).ToArray();
            // Every file tells the root's namespace: its own without its folder.
            var roots = files.Select(static f => f.Folder == "." ? f.Namespace! : f.Namespace!.EndsWith("." + f.Folder.Replace('/', '.'), StringComparison.Ordinal)
                ? f.Namespace[..^(f.Folder.Length + 1)] : $"{f.Namespace} ({Path.GetRelativePath(Product.Root, f.file)})").Distinct().ToArray();
            if (roots.Length > 1)
            {
                wrong.Add($"{folder}: {string.Join(", ", roots)}");
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void No_product_assembly_lets_another_see_into_it()
    {
        var wrong = Product.Assemblies.Values.SelectMany(static assembly => assembly.CustomAttributes
            .Where(static attribute => attribute.AttributeType.Name == "InternalsVisibleToAttribute").Select(attribute => (assembly.Name.Name, To: (string)attribute.ConstructorArguments[0].Value)))
            .Where(static pair => !pair.To.EndsWith(".Tests", StringComparison.Ordinal) && !s_testers.Contains(pair.To)).ToArray();
        Assert.Empty(wrong);
    }

    [Fact]
    public void No_file_is_compiled_into_two_assemblies()
    {
        string[] projects = [.. Directory.EnumerateFiles(Product.Root, "*.csproj", SearchOption.AllDirectories).Where(static p => !p.Contains("/obj/", StringComparison.Ordinal))];
        Assert.True(projects.Length > Product.Projects.Length);
        var linked = projects.SelectMany(static p => XDocument.Load(p).Descendants("Compile").Select(c => (Project: p, File: (string?)c.Attribute("Include") ?? "")))
            .Where(static c => c.File.Contains("..", StringComparison.Ordinal)).ToArray();
        Assert.Empty(linked);
    }

    /// <summary>The table of the document: a project, and the projects that it knows, with the folders where not all of them.</summary>
    private static Dictionary<string, Dictionary<string, string[]>> Table()
    {
        var lines = File.ReadLines(Path.Combine(Product.Root, "docs/ARCHITECTURE.md")).SkipWhile(static l => !l.StartsWith("| project | knows |", StringComparison.Ordinal)).Skip(2)
            .TakeWhile(static l => l.StartsWith('|'));
        return lines.Select(static line => line.Split('|', StringSplitOptions.TrimEntries)).ToDictionary(static cells => cells[1].Trim('`'), static cells => Entry().Matches(cells[2])
            .ToDictionary(static m => m.Groups["project"].Value, static m => m.Groups["folders"].Value.Split(", ", StringSplitOptions.RemoveEmptyEntries).Select(static f => f.Trim('`')).ToArray()));
    }

    private static bool Reaches(Dictionary<string, (TypeDefinition From, TypeReference To)[]> graph, string from, string to)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var open = new Stack<string>([from]);
        while (open.TryPop(out var at))
        {
            if (at == to)
            {
                return true;
            }

            if (seen.Add(at) && graph.TryGetValue(at, out var uses))
            {
                foreach (var use in uses)
                {
                    open.Push(use.To.Namespace);
                }
            }
        }

        return false;
    }

    private static string? FolderOf(TypeReference type)
    {
        var assembly = type.Scope is ModuleDefinition module ? module.Assembly.Name.Name : type.Scope?.Name;
        return Array.Find(Product.Projects, p => p.Assembly == assembly).Folder;
    }

    private static string? NamespaceOf(string file) => File.ReadLines(file).Select(static line => Declaration().Match(line)).FirstOrDefault(static m => m.Success)?.Groups[1].Value;

    [GeneratedRegex(@"`(?<project>[\w/]+)`(?: \((?<folders>[^)]*)\))?")]
    private static partial Regex Entry();

    [GeneratedRegex(@"^namespace ([\w.]+);")]
    private static partial Regex Declaration();
}
